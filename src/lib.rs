//! Layerbase serves the layer and function-version APIs of five clouds.
//!
//! One process owns one SQLite file and one code folder and serves the vendors' own SDKs.
//! `ARCHITECTURE.md` has the map; the modules below are in reading order.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod buckets;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dialects;
pub mod disk;
pub mod domain;
pub mod ingest;
pub mod server;
pub mod store;
