//! An S3 server that cuts connections while a pack is uploaded, or read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use refloat_mover::job::{JobRequest, Outcome, run};
use refloat_mover::{Control, MoverEngine, ReadData};
use tempfile::TempDir;

use crate::support::{PREFIX, assert_same, engine_over, handle, key, noise, reference, request};

/// The little of S3 that the mover uses.
#[derive(Default)]
struct Server {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Uploads of packs that still go through before cutting starts.
    good_uploads: AtomicI64,
    /// Uploads and downloads of packs to be cut.
    cuts: AtomicI64,
    data_bytes_in: AtomicU64,
    data_uploads: AtomicU64,
    denied: Mutex<bool>,
}

impl Server {
    fn start() -> (Arc<Self>, String) {
        let server = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let accepting = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&accepting);
                std::thread::spawn(move || server.answer(stream));
            }
        });
        (server, address)
    }

    fn must_cut(&self, is_pack: bool, upload: bool) -> bool {
        if !is_pack || (upload && self.good_uploads.fetch_sub(1, Ordering::SeqCst) > 0) {
            return false;
        }
        self.cuts
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                (left > 0).then(|| left - 1)
            })
            .is_ok()
    }

    /// One request per connection; returning early is cutting it.
    fn answer(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let name = path
            .strip_prefix("/bucket")?
            .trim_start_matches('/')
            .to_owned();
        let is_pack = name.contains("/data/");
        let length: usize = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        if *self.denied.lock().unwrap() {
            return reply(
                stream,
                "403 Forbidden",
                &[],
                b"<Error><Code>AccessDenied</Code></Error>",
            );
        }
        match method.as_str() {
            "PUT" if self.must_cut(is_pack, true) => {
                reader.read_exact(&mut vec![0; length / 2]).ok()?;
                None
            }
            "PUT" => {
                let mut body = vec![0; length];
                reader.read_exact(&mut body).ok()?;
                self.put(stream, name, body, headers.contains_key("if-none-match"))
            }
            "GET" if name.is_empty() => self.list(stream, query),
            "GET" | "HEAD" => {
                let cut = self.must_cut(is_pack, false);
                self.get(stream, &name, headers.get("range"), method == "HEAD", cut)
            }
            _ => reply(stream, "405 Method Not Allowed", &[], b""),
        }
    }

    fn put(&self, stream: TcpStream, name: String, body: Vec<u8>, create: bool) -> Option<()> {
        let mut objects = self.objects.lock().unwrap();
        if create && objects.contains_key(&name) {
            return reply(stream, "412 Precondition Failed", &[], b"");
        }
        if name.contains("/data/") {
            self.data_uploads.fetch_add(1, Ordering::SeqCst);
            self.data_bytes_in
                .fetch_add(body.len() as u64, Ordering::SeqCst);
        }
        objects.insert(name, body);
        reply(stream, "200 OK", &[("ETag", "\"tag\"")], b"")
    }

    fn get(
        &self,
        mut stream: TcpStream,
        name: &str,
        range: Option<&String>,
        head: bool,
        cut: bool,
    ) -> Option<()> {
        let objects = self.objects.lock().unwrap();
        let Some(whole) = objects.get(name) else {
            return reply(stream, "404 Not Found", &[], b"");
        };
        let (status, start, end) = match range {
            None => ("200 OK", 0, whole.len()),
            Some(range) => {
                let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
                let end: usize = end.parse().ok()?;
                (
                    "206 Partial Content",
                    start.parse().ok()?,
                    whole.len().min(end + 1),
                )
            }
        };
        let body = &whole[start..end];
        let content_range = format!("bytes {start}-{}/{}", end.saturating_sub(1), whole.len());
        let head_text = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: {content_range}\r\nETag: \"tag\"\r\n\
             Last-Modified: Tue, 01 Jan 2030 00:00:00 GMT\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head_text.as_bytes()).ok()?;
        if !head {
            let sent = if cut { body.len() / 2 } else { body.len() };
            stream.write_all(&body[..sent]).ok()?;
        }
        Some(())
    }

    fn list(&self, stream: TcpStream, query: &str) -> Option<()> {
        let prefix = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("prefix="))
            .unwrap_or("")
            .replace("%2F", "/");
        let mut text = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        for (name, body) in self.objects.lock().unwrap().range(prefix.clone()..) {
            if !name.starts_with(&prefix) {
                break;
            }
            write!(
                text,
                "<Contents><Key>{name}</Key><LastModified>2030-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"tag\"</ETag><Size>{}</Size></Contents>",
                body.len()
            )
            .unwrap();
        }
        text.push_str("</ListBucketResult>");
        reply(
            stream,
            "200 OK",
            &[("Content-Type", "application/xml")],
            text.as_bytes(),
        )
    }

    fn snapshots(&self) -> usize {
        let objects = self.objects.lock().unwrap();
        objects
            .keys()
            .filter(|name| name.contains("/snapshots/"))
            .count()
    }
}

fn reply(mut stream: TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

fn client(address: &str) -> Arc<dyn ObjectStore> {
    // Two tests may come here at once; the first one wins.
    drop(rustls::crypto::ring::default_provider().install_default());
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_timeout(Duration::from_secs(20));
    let store = AmazonS3Builder::new()
        .with_endpoint(address)
        .with_bucket_name("bucket")
        .with_region("any")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .with_client_options(options)
        .with_retry(RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        })
        .build()
        .unwrap();
    Arc::new(store)
}

fn places() -> (TempDir, std::path::PathBuf, std::path::PathBuf) {
    let directory = TempDir::new().unwrap();
    let (source, target) = (
        directory.path().join("source"),
        directory.path().join("target"),
    );
    fs::create_dir(&source).unwrap();
    fs::create_dir(&target).unwrap();
    (directory, source, target)
}

#[test]
fn a_connection_cut_now_and_then_does_no_harm() {
    let (server, address) = Server::start();
    let (_directory, source, target) = places();
    fs::write(source.join("file"), noise(40 << 20, 11)).unwrap();
    let engine = engine_over(client(&address), 0);
    engine.initialise().unwrap();
    let control = Control::default();
    server.cuts.store(2, Ordering::SeqCst);
    let saved = engine
        .save_tree(&request("data"), &source, &control)
        .unwrap();
    assert_eq!(server.cuts.load(Ordering::SeqCst), 0);
    server.cuts.store(2, Ordering::SeqCst);
    engine
        .restore_tree(&reference(&saved), &[], &target, &control)
        .unwrap();
    assert_eq!(server.cuts.load(Ordering::SeqCst), 0);
    assert_same(&source, &target);
}

#[test]
fn a_connection_always_cut_fails_the_part_and_the_next_try_reuses_its_packs() {
    let (server, address) = Server::start();
    let (_directory, source, _target) = places();
    let size = 100 << 20;
    fs::write(source.join("file"), noise(size, 12)).unwrap();
    let engine = engine_over(client(&address), 0);
    engine.initialise().unwrap();
    let control = Control::default();

    server.good_uploads.store(3, Ordering::SeqCst);
    server.cuts.store(i64::MAX, Ordering::SeqCst);
    let error = engine
        .save_tree(&request("data"), &source, &control)
        .unwrap_err();
    assert_eq!(error.code(), "mover-store-failed", "{error}");
    assert!(error.is_transient());
    assert_eq!(server.snapshots(), 0);
    let uploaded = server.data_bytes_in.load(Ordering::SeqCst);
    assert!(uploaded > 40 << 20, "{uploaded}");

    server.cuts.store(0, Ordering::SeqCst);
    let saved = engine
        .save_tree(&request("data"), &source, &control)
        .unwrap();
    assert_eq!(server.snapshots(), 1);
    let again = server.data_bytes_in.load(Ordering::SeqCst) - uploaded;
    let size = size as u64;
    assert!(
        again < size - uploaded + (2 << 20),
        "{again} of {size} after {uploaded}"
    );
    engine
        .verify(&reference(&saved), ReadData::Full, &control)
        .unwrap();
}

#[test]
fn a_job_against_s3_works_and_wrong_credentials_say_so() {
    let (server, address) = Server::start();
    let (directory, source, _target) = places();
    fs::write(source.join("file"), "content").unwrap();
    engine_over(client(&address), 0).initialise().unwrap();
    let secrets = directory.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    fs::write(secrets.join("access-key-id"), "id\n").unwrap();
    fs::write(secrets.join("secret-access-key"), "secret\n").unwrap();
    fs::write(secrets.join("key"), key(0).to_json_for_mover().as_bytes()).unwrap();
    let text = serde_json::json!({
        "action": {
            "kind": "backup",
            "path": source,
            "save": {
                "labels": { "site": "a", "protection": "shop", "run": "r1", "part": "data" },
                "time": "2030-01-01T00:00:00Z",
            },
        },
        "store": {
            "type": "s3",
            "bucket": "bucket",
            "region": "any",
            "endpoint": address,
            "credentialsDirectory": secrets,
        },
        "prefix": PREFIX,
        "keyPath": secrets.join("key"),
    });
    let job = JobRequest::from_json(text.to_string().as_bytes()).unwrap();
    let report = run(&job, &Control::default(), &handle());
    assert!(matches!(report.outcome, Outcome::Saved(_)), "{report:?}");

    *server.denied.lock().unwrap() = true;
    let report = run(&job, &Control::default(), &handle());
    let Outcome::Failed(failure) = report.outcome else {
        panic!("{report:?}");
    };
    assert_eq!(failure.code, "mover-store-denied", "{failure:?}");
}
