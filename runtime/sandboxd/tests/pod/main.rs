//! sandboxd as process 1 of a pod, through its front doors: the real program in a network of its own, a gateway that writes
//! down what it is sent, and the clients that others use.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what went wrong by failing")]

mod command;
mod doors;
mod gateway;
mod install;
mod scene;
mod way_out;
