//! Implementations that are wrong on purpose, each in one thing: the test of the harness.
//!
//! `avp-mutant NAME` speaks ACP/1 like any adapter. It runs the reference in a thread and rewrites what goes in or what
//! comes out. `avp-mutant --list` names them all, `avp-mutant --control` is right. `avp-conformance mutants` runs each through
//! the real pipe, `conformance/tests/mutants.rs` fails when one survives.

mod api;
mod appetite;
mod borders;
mod caches;
mod calibrate;
mod chunks;
mod context;
#[cfg(feature = "model")]
mod crossing;
mod damage;
mod decoder;
#[cfg(feature = "model")]
mod easy;
mod encoder;
mod frame;
mod handshake;
mod hash;
mod identity;
mod inflate;
#[cfg(feature = "model")]
mod injection;
mod kv;
mod loophole;
mod maps;
mod messages;
#[cfg(feature = "model")]
mod model;
mod overlap;
mod planted;
mod project;
mod realign;
mod relations;
mod resolver;
mod rows;
mod session;
mod smallest;
mod soft;
mod tensor;
mod text;
mod through;
mod validate;
#[cfg(feature = "model")]
mod weights;
mod wire;

use std::{
    io::{self, BufReader, BufWriter},
    process::ExitCode,
    thread,
};

use crate::frame::Frame;

/// What a mutant does with a request.
#[derive(Debug)]
pub(crate) enum Ask {
    /// It goes to the reference, as it is now.
    Forward,
    /// The mutant answers by itself.
    Answer(Box<Frame>),
}

/// One wrong implementation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) wrong: &'static str,
    pub(crate) ask: fn(&mut Frame) -> Ask,
    /// The request as the harness sent it, and the answer.
    pub(crate) tell: fn(&Frame, &mut Frame),
}

/// Short forms for the common kinds of damage.
macro_rules! mutant {
    ($name:literal, $wrong:literal, tell message |$out:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |asked, told| {
            if let Some($out) = crate::encoder::message_of(asked, told) $body
        })
    };
    ($name:literal, $wrong:literal, tell spec |$spec:ident, $out:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |asked, told| {
            let $spec = asked.json.get("spec").and_then(|s| s.as_str()).unwrap_or_default();
            if let Some($out) = crate::encoder::message_of(asked, told) $body
        })
    };
    ($name:literal, $wrong:literal, tell wire |$wire:ident, $out:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |asked, told| {
            if let Some($out) = crate::encoder::message_of(asked, told)
                && let Some($wire) = crate::wire::Wire::parse($out)
            $body
        })
    };
    ($name:literal, $wrong:literal, tell edit |$wire:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |asked, told| {
            crate::encoder::edit_message(asked, told, |$wire| $body);
        })
    };
    ($name:literal, $wrong:literal, tell spec_edit |$spec:ident, $wire:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |asked, told| {
            let $spec = asked.json.get("spec").and_then(|s| s.as_str()).unwrap_or_default();
            crate::encoder::edit_message(asked, told, |$wire| $body);
        })
    };
    ($name:literal, $wrong:literal, tell compressed |$wire:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |asked, told| {
            crate::encoder::edit_message(asked, told, |$wire| if $wire.flags & 1 != 0 $body);
        })
    };
    ($name:literal, $wrong:literal, ask |$frame:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |$frame| { $body; crate::Ask::Forward }, |_, _| {})
    };
    ($name:literal, $wrong:literal, tell |$asked:ident, $told:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |_| crate::Ask::Forward, |$asked, $told| $body)
    };
    ($name:literal, $wrong:literal, ask |$frame:ident| $ask:block, tell |$asked:ident, $told:ident| $body:block) => {
        crate::mutant!(@ $name, $wrong, |$frame| { $ask; crate::Ask::Forward }, |$asked, $told| $body)
    };
    (@ $name:literal, $wrong:literal, $ask:expr, $tell:expr) => {
        crate::Mutant { name: $name, wrong: $wrong, ask: $ask, tell: $tell }
    };
}
pub(crate) use mutant;

/// The reference as it is, through the same pipe: what it misses counts against no mutant.
const CONTROL: Mutant = mutant!(@ "control", "nothing", |_| Ask::Forward, |_, _| {});

fn all() -> impl Iterator<Item = &'static Mutant> {
    [
        encoder::MUTANTS,
        decoder::MUTANTS,
        inflate::MUTANTS,
        kv::MUTANTS,
        hash::MUTANTS,
        handshake::MUTANTS,
        session::MUTANTS,
        messages::MUTANTS,
        context::MUTANTS,
        api::MUTANTS,
        realign::MUTANTS,
        soft::MUTANTS,
        project::MUTANTS,
        overlap::MUTANTS,
        validate::MUTANTS,
        maps::MUTANTS,
        calibrate::MUTANTS,
        loophole::MUTANTS,
        relations::MUTANTS,
        appetite::MUTANTS,
        caches::MUTANTS,
        identity::MUTANTS,
        resolver::MUTANTS,
        text::MUTANTS,
        tensor::MUTANTS,
        chunks::MUTANTS,
        borders::MUTANTS,
        damage::MUTANTS,
        smallest::MUTANTS,
        #[cfg(feature = "model")]
        model::MUTANTS,
        #[cfg(feature = "model")]
        crossing::MUTANTS,
        #[cfg(feature = "model")]
        easy::MUTANTS,
        #[cfg(feature = "model")]
        injection::MUTANTS,
    ]
    .into_iter()
    .flatten()
}

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    if name == "--list" {
        for mutant in all() {
            println!("{}\t{}", mutant.name, mutant.wrong);
        }
        return ExitCode::SUCCESS;
    }
    if name == "--control" {
        return ended(&name, run(&CONTROL));
    }
    // Planted ones are in no list: they are for generated cases alone.
    let Some(mutant) = all().chain(planted::MUTANTS).find(|mutant| mutant.name == name) else {
        eprintln!("no mutant is called {name:?}; --list names them");
        return ExitCode::from(2);
    };
    ended(&name, run(mutant))
}

fn ended(name: &str, ended: io::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the reference answers to the same request, changed.
pub(crate) fn again<T>(
    frame: &Frame,
    op: &str,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>) -> T,
) -> Frame {
    let mut frame = frame.clone();
    frame.json.insert("op".to_owned(), op.into());
    change(frame.args_mut());
    answered(&frame)
}

/// What the reference answers to a request.
pub(crate) fn answered(frame: &Frame) -> Frame {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    // Nothing is lost where this fails: the mutant is right then, and the test says that it survived.
    let _ = frame.write(&mut asked);
    let _ = avp::adapter::serve(&asked[..], &mut answered);
    Frame::read(&mut &answered[..]).ok().flatten().unwrap_or_default()
}

/// Passes frames between the harness and the reference, lock-step.
fn run(mutant: &Mutant) -> io::Result<()> {
    let (reference_in, to_reference) = io::pipe()?;
    let (from_reference, reference_out) = io::pipe()?;
    thread::spawn(move || avp::adapter::serve(reference_in, reference_out));
    let mut to_reference = BufWriter::new(to_reference);
    let mut from_reference = BufReader::new(from_reference);
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    while let Some(asked) = Frame::read(&mut input)? {
        let mut request = asked.clone();
        let mut answer = match (mutant.ask)(&mut request) {
            Ask::Answer(answer) => *answer,
            Ask::Forward => {
                request.write(&mut to_reference)?;
                Frame::read(&mut from_reference)?
                    .ok_or_else(|| io::Error::other("the reference ended early"))?
            }
        };
        if asked.op() == "hello"
            && let Some(ok) = answer.ok_mut()
        {
            // One request at a time: rewriting wants the request beside its answer.
            ok.insert("inflight".to_owned(), 1.into());
            ok.insert("name".to_owned(), mutant.name.into());
        }
        (mutant.tell)(&asked, &mut answer);
        answer.write(&mut output)?;
    }
    Ok(())
}
