//! What the tests share: a server in this process, a client that sends exactly what it is told,
//! and a look at what is stored.

pub mod asked;
pub mod client;
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
