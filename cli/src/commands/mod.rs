//! One file for each command.

pub(crate) mod audit;
pub(crate) mod controller;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod init;
pub(crate) mod policy;
pub(crate) mod router;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod up;
