//! An S3-compatible storage on its own folder and port: the sample server `s3s-fs`, a library that
//! no other part of these tests uses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;

use hyper_util::rt::TokioIo;
use layerbase::config::{Bucket, BucketLocation, Storage, StorageKey};
use layerbase::domain::{BucketName, Secret};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The only key that the storage accepts.
pub const KEY: (&str, &str) = ("STORAGEKEY", "secret-of-the-storage");

/// A running storage; it is shut down on drop.
pub struct TestStorage {
    folder: TempDir,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestStorage {
    /// Starts a storage without buckets.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let service = service.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let accepted = tokio::select! {
                        accepted = listener.accept() => accepted,
                        _ = &mut stopped => break,
                    };
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(accepted.unwrap().0), service.clone());
                    tokio::spawn(connection);
                }
            });
        });
        Self { folder, address, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the file of an object; `place` is its bucket and key.
    pub fn path(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    /// Puts an object, replacing an existing one.
    pub fn put(&self, place: &str, bytes: &[u8]) {
        let path = self.path(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Returns the settings of a bucket in this storage.
    pub fn bucket(&self, name: &str) -> Bucket {
        bucket_at(self.address, name, KEY)
    }
}

impl Drop for TestStorage {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the settings of a bucket in the storage at an address.
pub fn bucket_at(address: SocketAddr, name: &str, (id, secret): (&str, &str)) -> Bucket {
    let key = StorageKey { id: id.to_owned(), secret: Secret::parse(secret).unwrap() };
    Bucket {
        place: BucketLocation::Storage(Storage {
            endpoint: format!("http://{address}"),
            region: "us-east-1".to_owned(),
            bucket: BucketName::parse(name).unwrap(),
            key: Some(key),
            path_style: true,
        }),
        tenants: None,
    }
}
