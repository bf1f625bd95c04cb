//! The one test binary; `house.rs` fails when a file of this folder is not listed here.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod access;
mod archives;
mod audit;
mod auth_tencent;
mod bounds;
mod browsers;
mod buckets;
mod catalog;
mod cli;
mod clouds;
mod conformance;
mod connections;
mod ctyun;
mod disks;
mod downloads;
mod durability;
mod encodings;
mod fuzz;
mod golden;
mod house;
mod inbox;
mod keys;
mod lists;
mod mutations;
mod openyuanrong;
mod oss;
mod papers;
mod proxies;
mod readme;
mod s3;
mod sdk;
mod storages;
mod store_suite;
mod support;
mod tenants;
mod tls;
mod unauthenticated;
mod upgrades;
mod uploads;
