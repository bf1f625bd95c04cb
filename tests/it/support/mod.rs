//! Fixtures of the tests: a server in this process or in its own, clients, signatures, zips, stores
//! of each engine, and counts of what is stored.

pub mod client;
pub mod engines;
pub mod process;
pub mod raw;
pub mod server;
pub mod sign;
pub mod storage;
pub mod watch;
pub mod zips;

pub use client::{Answer, Request};
pub use server::TestServer;
pub use watch::Watch;
