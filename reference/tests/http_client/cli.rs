//! `avp handshake` and `avp send`.

use std::fs;
use std::process::{Command, Stdio};

use avp::transport::ServerTls;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{self, Reaction, Request, Server};
use crate::{identity, message, other_identity, welcome};

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A folder with a message, our model, and a token.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("m.avp"), message(2_000_000)).unwrap();
    fs::write(folder.path().join("us.json"), identity().to_json().to_string()).unwrap();
    fs::write(folder.path().join("token"), "s3cret\n").unwrap();
    folder
}

/// Nobody is there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn avp(folder: &TempDir, token: Option<&str>, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avp"));
    command.args(arguments).current_dir(folder.path()).env_remove("AVP_TOKEN").stdin(Stdio::null());
    // A proxy would see what goes in cleartext to this machine.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, NOWHERE);
    }
    if let Some(token) = token {
        command.env("AVP_TOKEN", token);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn react(request: &Request) -> Reaction {
    match &*request.path {
        "/avp/v2/handshake" => server::json(200, &welcome(&identity())),
        "/avp/v2/transmit" => server::json(200, &json!({"success": true, "kept": true, "request_id": "r"})),
        _ => server::json(200, &json!({"success": true, "content": "42", "context": {"tokens": 1}})),
    }
}

#[test]
fn a_handshake_is_told_as_text_and_as_json() {
    let (folder, server) = (folder(), Server::start(|_, request| react(request)));
    let arguments = ["handshake", &server.url(), "--identity", "us.json", "--insecure-loopback"];
    let run = avp(&folder, Some("s3cret"), &arguments);
    assert_eq!((run.code, &*run.stderr), (0, ""), "{}", run.stdout);
    assert_eq!(
        run.stdout,
        "agent    b-1\nmodel    ours\nmode     LATENT\nrule     hash_match\nmap      none\nsession  sess-7\nlives    60 s\n"
    );
    let run = avp(&folder, None, &[&arguments[..], &["--json", "--http1", "--token-file", "token"]].concat());
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&json["mode"], &json["session_id"], &json["echoed"]),
        (&json!("LATENT"), &json!("sess-7"), &json!(false))
    );
    let tokens: Vec<_> =
        server.requests().iter().map(|request| request.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer s3cret"; 2]);
}

#[test]
fn a_message_is_sent_in_a_session_and_asked_about() {
    let (folder, server) = (folder(), Server::start(|_, request| react(request)));
    let url = server.url();
    let to = ["send", "m.avp", "--to", &url, "--insecure-loopback"];
    // As the model that the message names.
    let run = avp(&folder, None, &to);
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert_eq!(
        run.stdout,
        "sent     message\nbytes    2,000,155\nsession  sess-7\n".replace("2,000,155", &grouped())
    );
    let hello = server.requests()[0].json();
    assert_eq!(
        (&hello["identity"]["model_hash"], &hello["identity"]["hidden_dim"]),
        (&json!("11".repeat(32)), &json!(8))
    );

    let run = avp(&folder, None, &[&to[..], &["--ask", "What?"]].concat());
    assert_eq!((run.code, &*run.stdout), (0, "42\n"));
    let run = avp(&folder, None, &[&to[..], &["--session", "other", "--ask", "What?", "--json"]].concat());
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["delivered"], &json["kept"]), (&json!("message"), &json!(true)));
    assert_eq!((&json["answer"]["content"], &json["reply"]["request_id"]), (&json!("42"), &json!("r")));
    let requests = server.requests();
    let last = requests.last().unwrap().json();
    assert_eq!((&last["session_id"], &last["content"]), (&json!("other"), &json!("What?")));
    let sent = avp::decode(&requests[requests.len() - 2].body).unwrap().metadata.session_id;
    assert_eq!(sent, "other");
}

fn grouped() -> String {
    let digits = message(2_000_000).len().to_string();
    format!("{},{},{}", &digits[..1], &digits[1..4], &digits[4..])
}

#[test]
fn where_a_message_is_of_no_use_text_is_sent_or_nothing() {
    let folder = folder();
    let server = Server::start(|_, request| match &*request.path {
        "/avp/v2/handshake" => server::json(200, &welcome(&other_identity())),
        _ => react(request),
    });
    let url = server.url();
    let to = ["send", "m.avp", "--to", &url, "--insecure-loopback"];
    let run = avp(&folder, None, &to);
    assert_eq!((run.code, &*run.stdout), (1, ""));
    assert!(run.stderr.contains("incompatible_models"), "{}", run.stderr);
    let run = avp(&folder, None, &[&to[..], &["--text", "in words"]].concat());
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("sent as text") && run.stdout.starts_with("sent     text"), "{}", run.stderr);
    assert_eq!(server.paths(), ["/avp/v2/handshake", "/avp/v2/handshake", "/avp/v2/text"]);
}

#[test]
fn a_servers_words_do_not_move_the_cursor() {
    let folder = folder();
    let server = Server::start(|_, request| {
        let evil = "\u{1b}]0;title\u{7}";
        match &*request.path {
            "/avp/v2/handshake" => {
                let mut answer = welcome(&identity());
                answer["agent_id"] = json!(evil);
                answer["session_id"] = json!(evil);
                answer["identity"]["model_id"] = json!(evil);
                server::json(200, &answer)
            }
            _ => server::json(400, &json!({"success": false, "message": evil, "code": evil})),
        }
    });
    let url = server.url();
    for arguments in [
        vec!["handshake", &url, "--identity", "us.json", "--insecure-loopback"],
        vec!["send", "m.avp", "--to", &url, "--insecure-loopback"],
    ] {
        let run = avp(&folder, None, &arguments);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(['\u{1b}', '\u{7}']), "{arguments:?}");
    }
}

#[test]
fn what_the_server_does_not_keep_is_no_success() {
    let folder = folder();
    let server = Server::start(|_, request| match &*request.path {
        "/avp/v2/transmit" => server::json(200, &json!({"success": true, "kept": false, "reason": "full"})),
        _ => react(request),
    });
    let run =
        avp(&folder, None, &["send", "m.avp", "--to", &server.url(), "--insecure-loopback", "--ask", "?"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("does not keep it: \"full\""), "{}", run.stderr);
    assert_eq!(server.paths().last().unwrap(), "/avp/v2/transmit", "nothing is asked behind nothing");
}

#[test]
fn what_the_model_cannot_use_is_no_success() {
    let folder = folder();
    let server = Server::start(|_, request| match &*request.path {
        "/avp/v2/transmit" => server::json(200, &json!({"success": true, "kept": true, "usable": false})),
        _ => react(request),
    });
    let url = server.url();
    let to = ["send", "m.avp", "--to", &url, "--insecure-loopback", "--ask", "?"];
    for session in [&[][..], &["--session", "s"]] {
        let run = avp(&folder, None, &[&to[..], session].concat());
        assert_eq!((run.code, run.stdout.lines().next().unwrap_or_default()), (1, "sent     message"));
        assert!(run.stderr.contains("can't use it"), "{}", run.stderr);
        assert_eq!(server.paths().last().unwrap(), "/avp/v2/transmit", "nothing is asked behind nothing");
    }
    let run = avp(&folder, None, &[&to[..], &["--text", "in words"]].concat());
    assert_eq!((run.code, &*run.stdout), (0, "42\n"));
    assert!(run.stderr.contains("sent as text: the server's model can't use it"), "{}", run.stderr);
}

#[test]
fn a_server_in_json_mode_is_sent_no_context() {
    let folder = folder();
    let server = Server::start(|_, request| match &*request.path {
        "/avp/v2/handshake" => {
            let mut answer = welcome(&identity());
            answer["mode"] = json!("JSON");
            server::json(200, &answer)
        }
        _ => react(request),
    });
    let run =
        avp(&folder, None, &["send", "m.avp", "--to", &server.url(), "--insecure-loopback", "--ask", "?"]);
    assert_eq!((run.code, &*run.stdout), (1, ""));
    assert!(run.stderr.contains("incompatible_models"), "{}", run.stderr);
    assert_eq!(server.paths(), ["/avp/v2/handshake"]);
}

#[test]
fn a_development_certificate_is_trusted_when_named() {
    let folder = folder();
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    fs::write(folder.path().join("ca.pem"), pem).unwrap();
    let server = Server::with(Some(tls), 0, |_, request| react(request));
    let arguments = ["handshake", &server.url(), "--model-config", "us.json"];
    let run = avp(&folder, None, &[&arguments[..], &["--ca", "ca.pem"]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = avp(&folder, None, &arguments);
    assert!(run.code != 0 && run.stdout.is_empty(), "{}", run.stdout);
}

#[test]
fn refusals_and_wrong_arguments_have_their_exit_codes() {
    let folder = folder();
    let server = Server::always(401, "", b"");
    let url = server.url();
    for (code, arguments) in [
        (1, vec!["handshake", &url, "--identity", "us.json", "--insecure-loopback"]),
        (2, vec!["handshake", &url, "--identity", "us.json"]),
        (2, vec!["handshake", &url, "--insecure-loopback"]),
        (2, vec!["handshake", "http://example.test", "--identity", "us.json", "--insecure-loopback"]),
        (2, vec!["handshake", &url, "--identity", "none.json", "--insecure-loopback"]),
        (2, vec!["handshake", &url, "--identity", "us.json", "--insecure-loopback", "--token-file", "none"]),
        (2, vec!["handshake", &url, "--identity", "us.json", "--insecure-loopback", "--ca", "none"]),
        (2, vec!["handshake", &url, "--identity", "us.json", "--http1", "--http2"]),
        (2, vec!["handshake", &url, "--identity", "us.json", "--token", "s3cret"]),
        (2, vec!["send", "none.avp", "--to", &url, "--insecure-loopback"]),
        (1, vec!["send", "token", "--to", &url, "--insecure-loopback"]),
        (1, vec!["send", "m.avp", "--to", &url, "--insecure-loopback", "--session", "s"]),
    ] {
        let run = avp(&folder, None, &arguments);
        assert_eq!((run.code, &*run.stdout), (code, ""), "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.is_empty());
    }
    // A token that is none is not repeated.
    let run = avp(
        &folder,
        Some("s3cret two"),
        &["handshake", &url, "--identity", "us.json", "--insecure-loopback"],
    );
    assert!(run.code == 2 && !run.stderr.contains("s3cret"), "{}", run.stderr);
}
