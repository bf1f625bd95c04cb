//! Code in, artifact out: decode, limit, digest, inspect, keep.
