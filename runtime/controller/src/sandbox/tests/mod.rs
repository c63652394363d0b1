//! What is decided, case by case, and that it leads to the same end wherever a controller is killed.

mod cases;
mod cluster;
mod killed;
mod snapshots;

use cluster::Cluster;
