//! `avp serve` as a process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use avp::model::Connector as _;
use avp::transport::client::{ClientOptions, Delivered, Token, Upload, blocking::Client};
use serde_json::Value;

use super::{ANSWER, FACTS, Outcome, QUESTION, message, pocket, think};

const SECRET: &str = "0123456789abcdef-secret";

/// A server process, ended with the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) said: String,
    logs: Option<JoinHandle<String>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `avp`, as if nothing of the environment were meant for it.
fn plain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avp"));
    for name in ["AVP_TOKENS", "AVP_TOKEN", "AVP_MODEL", "AVP_LOG", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// `avp serve`.
pub(crate) fn avp(arguments: &[&str]) -> Command {
    plain(&[&["serve"], arguments].concat())
}

impl Serving {
    pub(crate) fn start(mut command: Command) -> Result<Self, Box<dyn std::error::Error>> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let logs = std::thread::spawn(move || {
            let mut text = String::new();
            // What can't be read is missed by what is asserted of it.
            let _ = stderr.map(|mut stderr| stderr.read_to_string(&mut text));
            text
        });
        let mut serving = Self { child, said: String::new(), logs: Some(logs) };
        BufReader::new(stdout.ok_or("no output")?).read_line(&mut serving.said)?;
        if serving.said.is_empty() {
            return Err(serving.logs()?.into());
        }
        Ok(serving)
    }

    pub(crate) fn logs(&mut self) -> Result<String, Box<dyn std::error::Error>> {
        let logs = self.logs.take().ok_or("read already")?;
        logs.join().map_err(|_| "the reader of the logs panicked".into())
    }

    /// Asks it to end.
    pub(crate) fn signal(&self) -> std::io::Result<()> {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        assert!(asked.success());
        Ok(())
    }

    /// Asks it to end, and gives its logs.
    fn stop(mut self) -> Result<String, Box<dyn std::error::Error>> {
        self.signal()?;
        let status = self.child.wait()?;
        let logs = self.logs()?;
        assert!(status.success(), "{status}: {logs}");
        Ok(logs)
    }
}

fn options(certificate: &Path) -> Result<ClientOptions, Box<dyn std::error::Error>> {
    Ok(ClientOptions {
        agent_id: "reader".into(),
        identity: Some(pocket("pocket-a")?.identity().clone()),
        roots: vec![std::fs::read(certificate)?],
        ..ClientOptions::default()
    })
}

#[test]
fn a_model_is_served_until_it_is_asked_to_stop() -> Outcome {
    let folder = tempfile::tempdir()?;
    let certificate = folder.path().join("dev.pem");
    let path = certificate.to_str().ok_or("a path that is no text")?;
    let mut command = avp(&[
        "--model",
        "pocket-a",
        "--listen",
        "127.0.0.1:0",
        "--write-cert",
        path,
        "--json",
        "--log",
        "json",
        "--metrics",
        "127.0.0.1:0",
        "--agent-id",
        "writer",
    ]);
    command.env("AVP_TOKENS", format!("alice {SECRET}\n")).env("AVP_LOG", "trace");
    let serving = Serving::start(command)?;
    let said: Value = serde_json::from_str(&serving.said)?;
    let reader = pocket("pocket-a")?;
    assert_eq!((&said["agent_id"], &said["model_id"]), (&"writer".into(), &"pocket-a".into()));
    assert_eq!(said["model_hash"].as_str(), Some(&*reader.identity().model_hash));
    assert_eq!(said["certificate_sha256"].as_str().map(str::len), Some(95));
    assert!(said["metrics"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")));
    let url = said["listening"].as_str().ok_or("no address")?;
    assert!(url.starts_with("https://127.0.0.1:") && !url.ends_with(":0"), "{url}");

    let options = options(&certificate)?;
    let refused = Client::new(url, options.clone())?.handshake().err().ok_or("an answer without a token")?;
    assert_eq!(refused.status, Some(401));
    let client = Client::new(url, ClientOptions { token: Some(Token::new(SECRET)?), ..options })?;
    let context = message(&think(&reader, 0, 1)?, "")?;
    let handed = client.hand_over(|_| Ok(Upload::from(context.clone())), |_| Ok(FACTS.to_owned()))?;
    assert_eq!(handed.delivered, Delivered::Context);
    let answer = client.ask(QUESTION)?;
    assert!(answer.content().is_some_and(|text| text.ends_with(ANSWER)), "{answer:?}");

    // Every line is JSON, of this crate alone, and none holds what was said, or secret.
    let logs = serving.stop()?;
    let mut requests = 0;
    for line in logs.lines().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line)?;
        assert!(event["target"].as_str().is_some_and(|target| target.starts_with("avp")), "{line}");
        requests += usize::from(event["route"] == "transmit");
    }
    assert!(requests > 0, "{logs}");
    for word in [QUESTION, ANSWER, "Rome", SECRET] {
        assert!(!logs.contains(word), "{word}: {logs}");
    }
    Ok(())
}

#[test]
fn cleartext_is_for_loopback() -> Outcome {
    let serving = Serving::start(avp(&["-m", "pocket-a", "--insecure-loopback", "--listen", "127.0.0.1:0"]))?;
    let url = serving.said.trim().strip_prefix("listening on ").ok_or("no address")?;
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let insecure = ClientOptions { insecure_loopback: true, ..ClientOptions::default() };
    Client::new(url, insecure)?.health()?;
    serving.stop()?;
    Ok(())
}

/// Ends before it has loaded a model.
fn refused(mut command: Command) -> std::io::Result<(Option<i32>, String)> {
    let Output { status, stderr, .. } = command.output()?;
    Ok((status.code(), String::from_utf8_lossy(&stderr).into_owned()))
}

#[test]
fn what_would_be_open_to_all_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "alice short\n")?;
    let tokens = tokens.to_str().ok_or("a path that is no text")?;
    let refuse = |arguments: &[&str], environment: Option<&str>| {
        let mut command = avp(&["-m", "pocket-a"]);
        command.args(arguments).envs(environment.map(|secret| ("AVP_TOKEN", secret)));
        refused(command)
    };
    for (arguments, environment, code, said) in [
        (&["--listen", "0.0.0.0:0"][..], None, 2, "--no-token"),
        (&["--listen", "[::]:0"], None, 2, "--no-token"),
        (&["--listen", "0.0.0.0:0", "--insecure-loopback"], Some(SECRET), 2, "loopback"),
        (&["--no-token"], Some(SECRET), 2, "which one"),
        (&["--token-file", tokens], None, 1, "line 1"),
        (&["--token-file", tokens, "--no-token"], None, 2, "cannot be used with"),
        (&["--cert", tokens], None, 2, "--key"),
        (&["--cert", tokens, "--key", tokens], None, 1, "certificate"),
        (&["--max-message", "many"], None, 2, "--max-message"),
        (&["--rate=0"], None, 1, "limits.rate"),
        (&["--session-ttl", "NaN"], None, 1, "ttl"),
        (&["--shutdown-timeout", "NaN"], None, 2, "--shutdown-timeout"),
        (&["--shutdown-timeout=-1"], None, 2, "--shutdown-timeout"),
        (&["--shutdown-timeout", "1e19"], None, 1, "limits.shutdown_timeout"),
        (&["--session-ttl=-1"], None, 2, "--session-ttl"),
        (&["--write-cert", "-"], None, 2, "--write-cert"),
    ] {
        let (found, error) = refuse(arguments, environment)?;
        assert_eq!(found, Some(code), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
        assert!(!error.contains("alice") && !error.contains(SECRET), "{error}");
    }
    Ok(())
}

/// The commands of the README's section on HTTP, with a port that is free.
#[test]
fn what_the_readme_shows_is_answered() -> Outcome {
    let folder = tempfile::tempdir()?;
    let run = |command: &mut Command| -> Result<String, Box<dyn std::error::Error>> {
        let Output { status, stdout, stderr } = command.current_dir(folder.path()).output()?;
        assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8(stdout)?)
    };
    run(&mut plain(&["think", FACTS, "-m", "pocket-a", "-o", "note.avp"]))?;
    let generate = ["generate", QUESTION, "-m", "pocket-a", "--context", "note.avp"];
    assert_eq!(run(&mut plain(&generate))?, "Ann Rome silk\n");

    let mut serve = avp(&["-m", "pocket-a", "--write-cert", "dev.pem", "--listen", "127.0.0.1:0"]);
    serve.current_dir(folder.path());
    let serving = Serving::start(serve)?;
    let url = serving.said.trim().strip_prefix("listening on ").ok_or("no address")?;
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let send = ["send", "note.avp", "--to", url, "--ca", "dev.pem", "--ask", QUESTION];
    assert_eq!(run(&mut plain(&send))?, "Ann Rome silk\n");
    serving.stop()?;
    Ok(())
}
