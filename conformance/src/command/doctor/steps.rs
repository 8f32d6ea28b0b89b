//! The eight questions.

use avp_conformance::{
    adapter::{Answer, Hello, Lost},
    build::Message,
};
use serde_json::{Value, json};

use super::patient::Patient;

/// What a step found.
pub(super) enum Finding {
    /// As it should be.
    Good(String),
    /// Could not be asked.
    Skipped(String),
    /// Not as it should be.
    Bad {
        /// What was seen.
        seen: String,
        /// What to do.
        advice: String,
    },
}

/// One question.
pub(super) struct Step {
    /// For people.
    pub(super) question: &'static str,
    /// Without it, nothing else can be asked.
    pub(super) needed: bool,
    /// Asks it.
    pub(super) ask: fn(&mut Patient<'_>) -> Finding,
}

/// All of them, in order.
pub(super) const STEPS: [Step; 8] = [
    Step { question: "Does it start?", needed: true, ask: starts },
    Step { question: "Does it say hello?", needed: true, ask: says_hello },
    Step { question: "Do all 256 byte values pass both ways?", needed: false, ask: frames_are_clean },
    Step { question: "Does it admit what it can't do?", needed: false, ask: admits },
    Step { question: "Does it decode a valid message?", needed: false, ask: decodes },
    Step { question: "Does it refuse a broken one?", needed: false, ask: refuses },
    Step { question: "Does it survive a large message?", needed: false, ask: survives },
    Step { question: "Does it finish when its input ends?", needed: false, ask: finishes },
];

/// Payload of the large message: far beyond what a pipe holds, so that a side that writes without reading gets stuck.
const LARGE: usize = 8 * 1024 * 1024;

fn good(seen: impl Into<String>) -> Finding {
    Finding::Good(seen.into())
}

fn bad(seen: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding::Bad { seen: seen.into(), advice: advice.into() }
}

fn no_decode() -> Finding {
    Finding::Skipped("`decode` is not among its ops".to_owned())
}

fn starts(patient: &mut Patient<'_>) -> Finding {
    match patient.start() {
        Ok(()) => good(if patient.exec { "it is started at every request" } else { "a process runs" }),
        Err(lost) => bad(
            lost.to_string(),
            "Type the same command in a shell. Is the program on the PATH, the path right from this folder, the file \
             executable?",
        ),
    }
}

fn says_hello(patient: &mut Patient<'_>) -> Finding {
    let answer = match patient.greet() {
        Ok(answer) => answer,
        Err(lost) => return bad(lost.to_string(), advice(&lost)),
    };
    match Hello::parse(&answer) {
        Ok(hello) => {
            let seen = format!(
                "{} {} in {}, AVP {}, {} operations: {}",
                hello.name,
                hello.version,
                hello.language,
                hello.specs.iter().map(|spec| spec.as_str()).collect::<Vec<_>>().join(" and "),
                hello.ops.len(),
                hello.ops.join(" "),
            );
            let (no_specs, no_ops) = (hello.specs.is_empty(), hello.ops.is_empty());
            patient.hello = Some(hello);
            if no_specs {
                return bad(
                    seen,
                    "`specs` names no dialect that this suite knows; use \"0.2\", \"0.4\" or both.",
                );
            }
            if no_ops {
                return bad(
                    seen,
                    "`ops` is empty, so nothing would be asked. List what the adapter answers.",
                );
            }
            good(seen)
        }
        Err(what) => bad(
            what,
            "Answer hello with {\"id\": …, \"ok\": {\"acp\": 1, \"name\": …, \"version\": …, \"language\": …, \"specs\": \
             [\"0.4\"], \"ops\": [\"decode\"]}}. ADAPTER.md shows a complete one.",
        ),
    }
}

fn frames_are_clean(patient: &mut Patient<'_>) -> Finding {
    let all: Vec<u8> = (0..=255).collect();
    // An operation that nobody has: whatever is answered, the blob has to be taken off the pipe.
    let op = format!("nope-{}", patient.nonce);
    if let Err(lost) = patient.ask(&op, vec![("data", all.clone())]) {
        let mut advice = advice(&lost);
        advice.push_str(
            " This frame carried a blob with every byte value: read exactly json_len and then blob_len bytes, also for an \
             operation that you don't know, and from a binary stream (text mode changes 0x0A, 0x0D and 0x1A).",
        );
        return bad(lost.to_string(), advice);
    }
    if !patient.answers("decode") {
        return good("to the adapter; the way back was not asked, since `decode` is not among its ops");
    }
    let answer = patient.ask("decode", vec![("message", message(&all))]);
    match payload(answer) {
        Ok(bytes) if bytes == all => good("256 bytes there and back"),
        Ok(bytes) => bad(
            first_difference(&all, &bytes),
            "Write blobs to a binary stream, unchanged, and in one piece.",
        ),
        // What it says of the message is the matter of a later step.
        Err(Problem::Answered(_)) => good("to the adapter; on the way back it sent no payload (see step 5)"),
        Err(Problem::Lost(lost)) => bad(lost.to_string(), advice(&lost)),
    }
}

fn admits(patient: &mut Patient<'_>) -> Finding {
    let op = format!("nope-{}", patient.nonce);
    match patient.ask(&op, Vec::new()) {
        Ok(Answer::Unsupported(_)) => good("an operation that does not exist is answered as unsupported"),
        Ok(other) => bad(
            format!("an operation that does not exist was answered with {}", told(&other)),
            "Answer {\"id\": …, \"unsupported\": \"why\"} for every operation that you don't know. An `err` would count as \
             a refusal of the message, and the suite does not go on with an adapter that refuses everything.",
        ),
        Err(lost) => bad(lost.to_string(), advice(&lost)),
    }
}

fn decodes(patient: &mut Patient<'_>) -> Finding {
    if !patient.answers("decode") {
        return no_decode();
    }
    let sent: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let answer = match patient.ask("decode", vec![("message", message(&sent))]) {
        Ok(answer) => answer,
        Err(lost) => return bad(lost.to_string(), advice(&lost)),
    };
    let Answer::Ok { ok, parts } = &answer else {
        return bad(
            format!("a valid message was answered with {}", told(&answer)),
            "Look at the text of the error. The message is 25 bytes, and `avp-conformance show hdr/…` dissects such \
             messages.",
        );
    };
    let dims = [ok.get("metadata").and_then(|metadata| metadata.get("hidden_dim"))];
    if dims != [Some(&json!(2))] {
        let seen = ok.get("metadata").map_or_else(|| "no `metadata`".to_owned(), Value::to_string);
        return bad(
            format!("metadata came back as {seen}"),
            "The message has hidden_dim 2 and tensor_shape [2]. Put the decoded metadata under `ok.metadata`.",
        );
    }
    match parts.iter().find(|part| part.name == "payload") {
        Some(part) if part.bytes[..] == sent[..] => good("metadata and payload come back as they were sent"),
        Some(part) => bad(
            first_difference(&sent, &part.bytes),
            "The part `payload` is the payload's bytes as they stand.",
        ),
        None => bad("there is no part `payload`", "Name it in `parts` and put its bytes into the blob."),
    }
}

fn refuses(patient: &mut Patient<'_>) -> Finding {
    if !patient.answers("decode") {
        return no_decode();
    }
    let mut broken = message(&[0; 8]);
    broken[..2].copy_from_slice(b"VA");
    match patient.ask("decode", vec![("message", broken)]) {
        Ok(Answer::Err { code, .. }) if code == "invalid_magic" => good("with the class invalid_magic"),
        Ok(Answer::Err { code, .. }) => {
            good(format!("with the class {code}; invalid_magic would be the right one"))
        }
        Ok(Answer::Fault(text)) => bad(
            format!("it faulted: {text}"),
            "Turn the library's own error for bad input into `err`. `fault` is for what should never happen.",
        ),
        Ok(other) => bad(
            format!("a message with a broken magic was answered with {}", told(&other)),
            "Answer {\"id\": …, \"err\": {\"code\": \"invalid_magic\", \"detail\": …}}. If the library accepts it, that is \
             its defect, but the suite then does not believe it anything else.",
        ),
        Err(lost) => bad(lost.to_string(), advice(&lost)),
    }
}

fn survives(patient: &mut Patient<'_>) -> Finding {
    if !patient.answers("decode") {
        return no_decode();
    }
    let limit = patient.hello.as_ref().and_then(|hello| hello.limits.get("max_message")?.as_u64());
    let most = usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let size = LARGE.min(most.saturating_sub(64));
    let sent: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    match payload(patient.ask("decode", vec![("message", message(&sent))])) {
        Ok(bytes) if bytes == sent => good(format!("{} KiB there and back", size / 1024)),
        Ok(bytes) => bad(
            first_difference(&sent, &bytes),
            "Read until blob_len bytes are there: one read may give less.",
        ),
        Err(Problem::Answered(what)) if what.contains("limit_exceeded") => {
            good("it refuses so large a message; `limits.max_message` in hello would say so beforehand")
        }
        Err(Problem::Answered(what)) => bad(
            format!("it was answered with {what}"),
            "Read until blob_len bytes are there: one read may give less.",
        ),
        Err(Problem::Lost(lost)) => {
            let mut advice = advice(&lost);
            advice.push_str(" Take the whole frame off the pipe before you write; write the whole answer.");
            bad(lost.to_string(), advice)
        }
    }
}

fn finishes(patient: &mut Patient<'_>) -> Finding {
    if patient.exec {
        return Finding::Skipped("it lives for one request".to_owned());
    }
    if let Err(lost) = patient.ask(&format!("nope-{}", patient.nonce), Vec::new()) {
        return bad(lost.to_string(), advice(&lost));
    }
    match patient.close().as_deref() {
        Some("exit status: 0") | None => good("with exit status 0"),
        Some(other) => bad(
            other,
            "When stdin ends where a frame would begin, leave the loop and exit with status 0. Threads that still run keep \
             a process alive.",
        ),
    }
}

/// Why there is no payload.
enum Problem {
    Answered(String),
    Lost(Lost),
}

fn payload(answer: Result<Answer, Lost>) -> Result<Vec<u8>, Problem> {
    match answer {
        Ok(Answer::Ok { parts, .. }) => parts
            .iter()
            .find(|part| part.name == "payload")
            .map(|part| part.bytes.to_vec())
            .ok_or_else(|| Problem::Answered("`ok` without a part `payload`".to_owned())),
        Ok(other) => Err(Problem::Answered(told(&other))),
        Err(lost) => Err(Problem::Lost(lost)),
    }
}

/// A message that both dialects read alike: `hidden_dim` 2, `tensor_shape` [2].
fn message(payload: &[u8]) -> Vec<u8> {
    let metadata = vec![0x28, 0x02, 0x4a, 0x01, 0x02];
    Message { metadata, payload: payload.to_vec(), ..Message::default() }.to_bytes()
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Ok { .. } => "`ok`".to_owned(),
        Answer::Err { code, detail, .. } => format!("`err` {code}: {detail}"),
        Answer::Unsupported(why) => format!("`unsupported`: {why}"),
        Answer::Fault(text) => format!("`fault`: {text}"),
    }
}

fn first_difference(sent: &[u8], back: &[u8]) -> String {
    let same = sent.iter().zip(back).take_while(|(a, b)| a == b).count();
    let byte =
        |bytes: &[u8]| bytes.get(same).map_or_else(|| "nothing".to_owned(), |byte| format!("0x{byte:02x}"));
    format!(
        "{} bytes were sent and {} came back; the first difference is at {same}: {} for {}",
        sent.len(),
        back.len(),
        byte(back),
        byte(sent)
    )
}

/// What most often is behind a lost answer.
fn advice(lost: &Lost) -> String {
    match lost {
        Lost::NotStarted { .. } => "Type the same command in a shell.",
        Lost::Died { .. } => {
            "The process ended. Its stderr usually says why; type the same command in a shell to see all of it."
        }
        Lost::Timeout { .. } => {
            "The process lives and does not answer. Most often: the answer is not flushed after every frame, or the read waits \
             for more bytes than the frame has."
        }
        Lost::Protocol { .. } => {
            "stdout carries frames only: two u32 little-endian lengths, JSON, blob. Print everything else to stderr, also \
             what libraries print."
        }
    }
    .to_owned()
}
