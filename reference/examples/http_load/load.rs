//! Requests in a closed loop: each connection sends the next message when the last one is answered.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avp::{Encoder, Metadata};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;

/// 1 KiB to 8 MiB; small ones are common, each connection sends all in turn, beginning elsewhere.
pub(crate) const DEFAULT_SIZES: [usize; 12] = [
    1 << 10,
    1 << 10,
    4 << 10,
    1 << 10,
    16 << 10,
    1 << 10,
    64 << 10,
    4 << 10,
    256 << 10,
    1 << 20,
    1 << 10,
    8 << 20,
];
/// Answers are shorter; a longer one is no answer of this binding.
const MAX_ANSWER: usize = 64 << 10;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Memory grows when the last third of the time has an eighth more than the middle one: what is in flight differs from moment to
/// moment.
const MAY_GROW: u64 = 8;
/// No request of a server that works takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) sizes: Vec<usize>,
    /// Whose memory is watched.
    pub(crate) pid: Option<u32>,
}

/// What was seen after the warm-up.
#[derive(Default)]
pub(crate) struct Report {
    seconds: f64,
    statuses: BTreeMap<u16, u64>,
    broken: u64,
    bytes: u64,
    /// Milliseconds, in order.
    took: Vec<f32>,
    resident: Option<Resident>,
}

/// Bytes of the server in memory.
#[derive(Clone, Copy, Debug)]
struct Resident {
    /// After the warm-up.
    first: u64,
    /// The most in each third of the time.
    thirds: [u64; 3],
}

pub(crate) fn run(plan: &Plan) -> Outcome<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let requests: Vec<Bytes> = plan.sizes.iter().map(|&size| request(size)).collect::<Outcome<_>>()?;
    let requests: Arc<[Bytes]> = requests.into();
    let to = plan.to;
    runtime.block_on(async {
        let begin = Instant::now() + plan.warm_up;
        let end = begin + plan.time;
        let all: Vec<_> = (0..plan.connections)
            .map(|first| tokio::spawn(connection(to, Arc::clone(&requests), first, begin, end)))
            .collect();
        let resident = watch(plan.pid, begin, end).await;
        let mut report = Report { seconds: plan.time.as_secs_f64(), resident, ..Report::default() };
        for one in all {
            report.add(one.await?);
        }
        report.took.sort_by(f32::total_cmp);
        Ok(report)
    })
}

/// The bytes of a transmit.
fn request(size: usize) -> Outcome<Bytes> {
    // Numbers that nothing can compress, the same each time.
    let mut state = size as u64;
    let payload: Vec<u8> = (0..size)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .collect();
    let metadata = Metadata { source_agent_id: "load".into(), ..Metadata::default() };
    let message = Encoder::new().encode(&metadata, &payload)?;
    let mut bytes = format!(
        "POST /avp/v2/transmit HTTP/1.1\r\nhost: load\r\ncontent-type: application/avp+binary\r\navp-version: 0.4\r\n\
         avp-agent-id: load\r\ncontent-length: {}\r\n\r\n",
        message.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&message);
    Ok(bytes.into())
}

async fn connection(
    to: SocketAddr,
    requests: Arc<[Bytes]>,
    first: usize,
    begin: Instant,
    end: Instant,
) -> Report {
    let mut report = Report::default();
    let mut stream = None;
    let mut answer = Vec::new();
    for request in requests.iter().cycle().skip(first % requests.len()) {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        let asked = tokio::time::timeout(PATIENCE, exchange(to, &mut stream, request, &mut answer)).await;
        if sent < begin {
            continue;
        }
        match asked {
            Ok(Ok(status)) => {
                *report.statuses.entry(status).or_default() += 1;
                report.bytes += request.len() as u64;
                report.took.push(sent.elapsed().as_secs_f32() * 1e3);
            }
            Ok(Err(_)) | Err(_) => {
                report.broken += 1;
                stream = None;
            }
        }
    }
    report
}

/// Sends one request, on the open connection if there is one, and reads the answer's status and all of its body.
async fn exchange(
    to: SocketAddr,
    stream: &mut Option<TcpStream>,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> std::io::Result<u16> {
    let stream = match stream {
        Some(stream) => stream,
        None => {
            let fresh = TcpStream::connect(to).await?;
            fresh.set_nodelay(true)?;
            stream.insert(fresh)
        }
    };
    stream.write_all(request).await?;
    answer.clear();
    let odd = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(odd("the connection ended"));
        }
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            if answer.len() > MAX_ANSWER {
                return Err(odd("a long head"));
            }
            continue;
        };
        let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .filter(|&length| length <= MAX_ANSWER)
            .ok_or_else(|| odd("no length"))?;
        if answer.len() < head + 4 + length {
            continue;
        }
        return text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| odd("no status"));
    }
}

/// The server's memory, once a second.
async fn watch(pid: Option<u32>, begin: Instant, end: Instant) -> Option<Resident> {
    let pid = pid?;
    tokio::time::sleep_until(begin.into()).await;
    let first = resident(pid)?;
    let mut seen = Resident { first, thirds: [first; 3] };
    while Instant::now() + LOOK < end {
        tokio::time::sleep(LOOK).await;
        let part = 3.0 * begin.elapsed().as_secs_f64() / (end - begin).as_secs_f64();
        let third = &mut seen.thirds[(part as usize).min(2)];
        *third = (*third).max(resident(pid)?);
    }
    Some(seen)
}

fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

impl Report {
    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.broken += other.broken;
        self.bytes += other.bytes;
        self.took.extend(other.took);
    }

    fn quantile(&self, q: f64) -> f64 {
        let last = self.took.len().saturating_sub(1);
        self.took.get((last as f64 * q).round() as usize).copied().unwrap_or(f32::NAN).into()
    }

    /// What a server promises under load that this run did not see kept: no answer but 200, 429 and 503, no connection broken
    /// off, and no memory that grows and grows.
    pub(crate) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let odd: Vec<_> = self.statuses.keys().filter(|status| !matches!(status, 200 | 429 | 503)).collect();
        if !odd.is_empty() {
            broken.push(format!("answers with status {odd:?}"));
        }
        if self.broken > 0 {
            broken.push(format!("{} requests broken off", self.broken));
        }
        if let Some([_, middle, last]) = self.resident.map(|resident| resident.thirds)
            && last > middle + middle / MAY_GROW
        {
            broken.push(format!(
                "memory that grows: {middle} bytes in the middle third at most, {last} in the last"
            ));
        }
        broken
    }

    fn rate(&self) -> f64 {
        self.took.len() as f64 / self.seconds
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "statuses": self.statuses,
            "broken": self.broken,
            "requests_per_second": self.rate(),
            "bytes_per_second": self.bytes as f64 / self.seconds,
            "p50_ms": self.quantile(0.5),
            "p99_ms": self.quantile(0.99),
            "resident_bytes": self.resident.map(|resident| {
                json!({"first": resident.first, "most_by_thirds": resident.thirds})
            }),
            "broken_promises": self.broken_promises(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{:.0} requests/s, {:.0} MiB/s, p50 {:.2} ms, p99 {:.2} ms; statuses {:?}, {} broken off",
            self.rate(),
            mib(self.bytes) / self.seconds,
            self.quantile(0.5),
            self.quantile(0.99),
            self.statuses,
            self.broken,
        )?;
        if let Some(Resident { first, thirds }) = self.resident {
            let ([a, b, c], first) = (thirds.map(mib), mib(first));
            write!(
                f,
                "; resident {first:.0} MiB after the warm-up, then {a:.0}, {b:.0}, {c:.0} at most by thirds"
            )?;
        }
        Ok(())
    }
}
