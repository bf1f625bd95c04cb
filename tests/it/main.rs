//! The one test binary; `house.rs` fails when a file of this folder is not listed here.

#![allow(clippy::unwrap_used, missing_docs)]

mod catalog;
mod downloads;
mod durability;
mod golden;
mod house;
mod support;
mod uploads;
