//! `avp serve` that is asked to stop while its model works.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitStatus;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use avp::session::TextMessage;
use avp::transport::client::{ClientOptions, blocking::Client};
use serde_json::Value;

use super::Outcome;
use super::serve::{Serving, avp};

/// How long is waited for what is sure to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Repetitions of a sentence whose tokens alone keep the model busy for seconds, in the midst of which nothing can be given
/// up; close to the longest text that is taken.
const LONG: usize = 240_000;

/// A server whose model is busy, in the midst of one answer.
struct Busy {
    serving: Serving,
    address: String,
    asking: Option<JoinHandle<bool>>,
}

impl Busy {
    fn start(shutdown_timeout: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let arguments =
            ["-m", "pocket-a", "--insecure-loopback", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
        let mut command = avp(&arguments);
        command.args(["--json", "--shutdown-timeout", shutdown_timeout]);
        let serving = Serving::start(command)?;
        let said: Value = serde_json::from_str(&serving.said)?;
        let url = said["listening"].as_str().ok_or("no address")?.to_owned();
        let metrics = said["metrics"].as_str().and_then(|url| url.strip_prefix("http://"));
        let (metrics, _) = metrics.and_then(|url| url.split_once('/')).ok_or("no numbers")?;
        let address = url.strip_prefix("http://").ok_or("no cleartext")?.to_owned();
        let asking = thread::spawn(move || ask(&url, LONG).is_ok());
        until("the question is there", || {
            let text = numbers(metrics).unwrap_or_default();
            let bytes = text.lines().find_map(|line| line.strip_prefix("avp_in_flight_bytes "));
            bytes.and_then(|bytes| bytes.parse::<f64>().ok()).is_some_and(|bytes| bytes > LONG as f64)
        });
        Ok(Self { serving, address, asking: Some(asking) })
    }

    /// The process, once it has ended by itself; nobody may have been answered.
    fn ended(&mut self) -> Result<ExitStatus, Box<dyn std::error::Error>> {
        let mut status = None;
        until("it has ended", || {
            status = self.serving.child.try_wait().ok().flatten();
            status.is_some()
        });
        let answered = self.asking.take().ok_or("not asked")?.join().map_err(|_| "the client panicked")?;
        assert!(!answered, "the question was answered");
        status.ok_or_else(|| "it has not ended".into())
    }
}

fn ask(url: &str, repetitions: usize) -> avp::Result<()> {
    let options =
        ClientOptions { insecure_loopback: true, timeout: 10 * PATIENCE, ..ClientOptions::default() };
    let content = "Ann visits Rome. ".repeat(repetitions);
    Client::new(url, options)?.text(&TextMessage { content, ..TextMessage::default() }).map(drop)
}

fn numbers(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn what_does_not_end_in_time_is_cut_off_with_the_process() -> Outcome {
    // How long the model would go on, at the least: for a quarter of it, on this machine.
    let other = Serving::start(avp(&["-m", "pocket-a", "--insecure-loopback", "--listen", "127.0.0.1:0"]))?;
    let url = other.said.trim().strip_prefix("listening on ").ok_or("no address")?.to_owned();
    let begun = Instant::now();
    assert_eq!(ask(&url, LONG / 4).err().and_then(|error| error.status), Some(413));
    let quarter = begun.elapsed();
    drop(other);

    let mut busy = Busy::start("0.1")?;
    let asked = Instant::now();
    busy.serving.signal()?;
    let status = busy.ended()?;
    let took = asked.elapsed();
    let logs = busy.serving.logs()?;
    assert_eq!(status.code(), Some(1), "{logs}");
    assert!(logs.contains("server.shutdown"), "{logs}");
    assert!(took < 2 * quarter, "it waited for the model: {took:?} of four times {quarter:?}");
    Ok(())
}

#[test]
fn a_second_signal_ends_it_at_once() -> Outcome {
    let mut busy = Busy::start("600")?;
    busy.serving.signal()?;
    // Two signals at a time are one.
    until("the first one is heard", || TcpStream::connect(&busy.address).is_err());
    busy.serving.signal()?;
    assert_eq!(busy.ended()?.code(), Some(130));
    Ok(())
}
