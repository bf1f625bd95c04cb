//! The one test binary; `house.rs` fails when a file of this folder is not listed here.

#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod house;
mod support;
