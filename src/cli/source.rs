//! The source of a command's code: a zip or a folder on this machine, or an object in one of the
//! server's buckets.
//!
//! Knows the native API's parameters for a reference. Must not know packing or HTTP.

use std::path::PathBuf;

use clap::Args;

use super::client::{Client, Code, Query, Upload};
use super::failure::Failure;
use super::output::Output;
use super::pack;
use crate::domain::{BucketName, ObjectKey};

/// PATH, or `--bucket` and `--object`.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// A zip, which is sent unchanged, or a folder to pack
    path: Option<PathBuf>,
    /// Instead of PATH: the bucket in which the server finds the zip
    #[arg(long, value_name = "BUCKET", value_parser = bucket, requires = "object")]
    #[arg(conflicts_with = "path")]
    bucket: Option<BucketName>,
    /// The zip's key in the bucket
    #[arg(long, value_name = "KEY", value_parser = key, requires = "bucket")]
    object: Option<ObjectKey>,
}

impl Source {
    /// Whether the command names no code.
    pub(super) fn is_none(&self) -> bool {
        self.path.is_none() && self.bucket.is_none()
    }

    /// Fails if the command names no code.
    pub(super) fn require(&self) -> Result<(), Failure> {
        if self.is_none() {
            return Err(Failure::usage("no code: name a PATH, or --bucket and --object"));
        }
        Ok(())
    }

    /// Sends the code, or its reference, or neither; returns the JSON answer.
    pub(super) fn upload(
        &self,
        upload: Upload,
        address: &[&str],
        mut query: Query,
        client: &Client,
        output: &Output<'_>,
    ) -> Result<String, Failure> {
        let Some(path) = &self.path else {
            query.push_some("bucket", self.bucket.as_ref().map(BucketName::as_str));
            query.push_some("object", self.object.as_ref().map(ObjectKey::as_str));
            return client.upload(upload, address, &query, None);
        };
        let mut package = pack::open(path)?;
        let bar = output.bar("uploading", Some(package.size));
        let code = Code { reader: &mut package.file, size: package.size, bar: &bar };
        let answer = client.upload(upload, address, &query, Some(code));
        bar.finish_and_clear();
        answer
    }
}

fn bucket(text: &str) -> Result<BucketName, String> {
    BucketName::parse(text).map_err(|error| error.to_string())
}

fn key(text: &str) -> Result<ObjectKey, String> {
    ObjectKey::parse(text).map_err(|error| error.to_string())
}
