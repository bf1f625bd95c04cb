//! Load: many small requests over persistent connections, or one large upload or download at a
//! time.
//!
//! Raw HTTP/1.1 at minimal cost, because the load runs on the same cores as the server. Expects
//! responses with a `content-length`, and panics at the first one that is not a success.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Barrier;

use super::process::Process;
use super::zips::{PIECE, Zip};
use super::{Plan, median, median_ratio};

/// Bytes read at a time.
const BUFFER: usize = 128 << 10;

/// Replaces a buffer's content by the next complete request.
pub type Requests = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// The results of one round of requests.
pub struct Round {
    /// Completed requests per second.
    pub rate: f64,
    /// 99th percentile of the response times, in seconds.
    pub p99: f64,
    /// Completed requests.
    pub count: usize,
}

/// Sends requests over `connections` connections, each one request at a time.
pub fn round(
    address: SocketAddr,
    connections: usize,
    length: Duration,
    requests: &Requests,
) -> Round {
    // One thread, so that the other core is free for the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.expect("a runtime can be started");
    let start = Arc::new(Barrier::new(connections + 1));
    let tasks: Vec<_> = (0..connections)
        .map(|_| runtime.spawn(converse(address, length, Arc::clone(&start), requests.clone())))
        .collect();
    let (mut times, mut begun) = (Vec::new(), Instant::now());
    runtime.block_on(async {
        start.wait().await;
        begun = Instant::now();
        for task in tasks {
            times.extend(task.await.expect("requests are answered"));
        }
    });
    let elapsed = begun.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    Round { rate: times.len() as f64 / elapsed, p99, count: times.len() }
}

async fn converse(
    address: SocketAddr,
    length: Duration,
    start: Arc<Barrier>,
    requests: Requests,
) -> Vec<f64> {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket has options");
    let (mut request, mut answer, mut times) = (Vec::new(), vec![0; BUFFER], Vec::new());
    start.wait().await;
    let mut begun = Instant::now();
    let until = begun + length;
    while begun < until {
        requests(&mut request);
        stream.write_all(&request).await.expect("the server reads");
        let (mut filled, mut total) = (0, usize::MAX);
        while filled < total {
            // A body longer than the buffer is counted but not stored.
            let free = if filled < BUFFER { filled } else { 0 };
            let read = stream.read(&mut answer[free..]).await.expect("the server answers");
            assert!(read > 0, "the server hung up");
            filled += read;
            if total == usize::MAX {
                total = total_length(&answer[..filled]).unwrap_or(total);
            }
        }
        let now = Instant::now();
        times.push((now - begun).as_secs_f64());
        begun = now;
    }
    times
}

/// Returns the length of head and body, once the head is complete.
fn total_length(answer: &[u8]) -> Option<usize> {
    let head_end = memmem::find(answer, b"\r\n\r\n")? + 4;
    let head = &answer[..head_end];
    let success = head.starts_with(b"HTTP/1.1 2");
    assert!(success, "refused: {}", String::from_utf8_lossy(answer));
    // Names are in title case or in lower case.
    let name = b"ontent-";
    let value = b"ength: ";
    let from = memmem::find_iter(head, name)
        .map(|at| at + name.len() + 1)
        .find(|at| head[*at..].starts_with(value));
    let from = from.expect("an answer says its length") + value.len();
    let digits = head[from..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(head_end + digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

/// The results of two servers under the same load; the measured server is the first.
pub struct Compared {
    /// Requests per second of each.
    pub rates: [f64; 2],
    /// First rate divided by the second.
    pub ratio: f64,
    /// 99th percentile of each, in seconds.
    pub p99s: [f64; 2],
    /// First percentile divided by the second.
    pub p99_ratio: f64,
    /// Processor time of each per request, in seconds.
    pub costs: [f64; 2],
    /// First processor time divided by the second.
    pub cost_ratio: f64,
}

/// Measures two servers in turns, so that other load on the machine slows both equally.
pub fn compare(plan: Plan, connections: usize, sides: [(&Process, &Requests); 2]) -> Compared {
    let (mut rates, mut p99s, mut costs) =
        <([Vec<f64>; 2], [Vec<f64>; 2], [Vec<f64>; 2])>::default();
    for number in 0..=plan.rounds {
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            let (process, requests) = sides[side];
            let spent = process.processor_time();
            let round = round(process.address, connections, plan.round, requests);
            // The first round is a warm-up.
            if number > 0 {
                let spent = process.processor_time() - spent;
                rates[side].push(round.rate);
                p99s[side].push(round.p99);
                costs[side].push(spent.as_secs_f64() / round.count as f64);
            }
        }
    }
    Compared {
        ratio: median_ratio(&rates[0], &rates[1]),
        p99_ratio: median_ratio(&p99s[0], &p99s[1]),
        cost_ratio: median_ratio(&costs[0], &costs[1]),
        rates: rates.map(median),
        p99s: p99s.map(median),
        costs: costs.map(median),
    }
}

/// Returns a request without a body.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// Fetches the body of a small response.
pub fn fetch(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&get(path))?;
    read_answer(&mut stream)
}

/// Downloads and discards the bytes; returns their number.
pub fn download(address: SocketAddr, path: &str) -> io::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&get(path))?;
    let mut buffer = vec![0; 2 * BUFFER];
    let mut filled = 0;
    let total = loop {
        filled += stream.read(&mut buffer[filled..])?;
        if let Some(total) = total_length(&buffer[..filled]) {
            break total;
        }
    };
    while filled < total {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(total)
}

fn read_answer(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut answer, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        match total_length(&answer) {
            Some(total) if answer.len() >= total => {
                let body = memmem::find(&answer, b"\r\n\r\n").map_or(0, |end| end + 4);
                return Ok(answer.split_off(body));
            }
            _ if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

/// Publishes an archive through the native API as the raw body; returns the response's body.
pub fn publish_raw(address: SocketAddr, layer: &str, zip: &mut Zip) -> io::Result<Vec<u8>> {
    let length = zip.size();
    let path = format!("/api/v1/layers/{layer}/versions");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\
         Content-Type: application/zip\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(head.as_bytes())?;
    let mut piece = Vec::with_capacity(PIECE);
    zip.rewind();
    loop {
        zip.read(&mut piece);
        if piece.is_empty() {
            return read_answer(&mut stream);
        }
        stream.write_all(&piece)?;
    }
}

/// Publishes an archive through Tencent's API, as base64 in JSON.
pub fn publish_base64(address: SocketAddr, layer: &str, zip: &mut Zip) -> io::Result<Vec<u8>> {
    let before = format!(
        r#"{{"LayerName":"{layer}","CompatibleRuntimes":["Python3.10"],"Content":{{"ZipFile":""#
    );
    let after = r#""}}"#;
    let length = before.len() as u64 + zip.size().div_ceil(3) * 4 + after.len() as u64;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\
         Content-Type: application/json\r\nX-TC-Action: PublishLayerVersion\r\n\
         X-TC-Version: 2018-04-16\r\n\r\n{before}"
    );
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(head.as_bytes())?;
    let (mut piece, mut text) = (Vec::with_capacity(PIECE), vec![0; PIECE / 3 * 4]);
    zip.rewind();
    loop {
        zip.read(&mut piece);
        if piece.is_empty() {
            break;
        }
        let out = base64_simd::Out::from_slice(&mut text);
        stream.write_all(base64_simd::STANDARD.encode(&piece, out))?;
    }
    stream.write_all(after.as_bytes())?;
    let answer = read_answer(&mut stream)?;
    // Tencent's API returns errors with the status 200.
    let refused = memmem::find(&answer, b"\"Error\"").is_some();
    assert!(!refused, "refused: {}", String::from_utf8_lossy(&answer));
    Ok(answer)
}
