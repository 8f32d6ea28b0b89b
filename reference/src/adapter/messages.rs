//! Binary messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::metadata::{self, MetadataArgs};
use super::request::{Request, invalid};
use crate::error::{Error, ErrorClass};
use crate::wire::{
    Compression, Decoder, DialectChoice, Encoder, HybridChunk, Limits, Message, Metadata, PayloadType,
    StreamDecoder,
};

#[derive(Deserialize)]
struct Encode<'a> {
    #[serde(default)]
    metadata: MetadataArgs,
    #[serde(borrow, default)]
    compression: Option<Cow<'a, str>>,
    #[serde(default)]
    checksum: Option<bool>,
}

pub(super) fn encode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Encode<'a> = request.args()?;
    let metadata = Metadata::try_from(args.metadata)?;
    let encoder = Encoder::new()
        .dialect(request.dialect)
        .compression(compression(args.compression.as_deref())?)
        .checksum(args.checksum.unwrap_or(true));
    let payload = request.part("payload")?.bytes;
    Ok(Answer::new(json!({})).part("message", encoder.encode(&metadata, payload)?))
}

fn compression(name: Option<&str>) -> Result<Compression, Refusal> {
    match name {
        None => Ok(Compression::None),
        Some(name) => Compression::from_name(name)
            .ok_or_else(|| invalid("compression", "none, fast, balanced, max or default", name).into()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LimitArgs {
    max_message: Option<u64>,
    max_payload: Option<u64>,
}

#[derive(Deserialize)]
struct Decode<'a> {
    #[serde(default)]
    limits: Option<LimitArgs>,
    #[serde(default)]
    strict: Option<bool>,
    #[serde(borrow, default)]
    dialect: Option<Cow<'a, str>>,
}

impl Decode<'_> {
    fn decoder(&self, request: &Request<'_>) -> Result<Decoder, Refusal> {
        let defaults = Limits::default();
        let asked = self.limits.as_ref();
        let limits = Limits {
            max_message: asked.and_then(|limits| limits.max_message).unwrap_or(defaults.max_message),
            max_payload: asked.and_then(|limits| limits.max_payload).unwrap_or(defaults.max_payload),
            ..defaults
        };
        let choice = match self.dialect.as_deref() {
            Some("auto") => DialectChoice::Auto,
            None => DialectChoice::Fixed(request.dialect),
            Some(other) => return Err(invalid("dialect", "auto", other).into()),
        };
        Ok(Decoder::new()
            .limits(limits)
            .dialect(choice)
            .assume(request.dialect)
            .strict(self.strict.unwrap_or_default()))
    }
}

pub(super) fn decode<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Decode<'a> = request.args()?;
    let message = args.decoder(request)?.decode(request.part("message")?.bytes)?;
    let mut ok = head(&message);
    ok["consumed"] = message.consumed.into();
    let diagnostics: Vec<_> = message.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    ok["diagnostics"] = diagnostics.into();
    ok["dialect"] = if message.neutral { "neutral" } else { message.dialect.as_str() }.into();
    if let Some(text) = message.text_fallback {
        ok["text_fallback"] = text.into();
    }
    Ok(Answer::new(ok).part("payload", message.payload))
}

/// Header and metadata of a message.
fn head(message: &Message<'_>) -> Value {
    let header = &message.header;
    json!({
        "header": {
            "version": header.version,
            "flags": header.flags,
            "payload_length": header.payload_length,
            "metadata_length": header.metadata_length,
        },
        "metadata": metadata::to_json(&message.metadata, message.dialect),
    })
}

#[derive(Deserialize)]
struct EncodeSized {
    #[serde(default)]
    metadata: MetadataArgs,
    payload_len: u64,
}

pub(super) fn encode_sized<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: EncodeSized = request.args()?;
    let metadata = Metadata::try_from(args.metadata)?;
    let head =
        Encoder::new().dialect(request.dialect).checksum(false).head_for_len(&metadata, args.payload_len)?;
    Ok(Answer::new(json!({})).part("head", head))
}

#[derive(Deserialize)]
struct EncodeHybrid<'a> {
    #[serde(default)]
    metadata: MetadataArgs,
    #[serde(borrow)]
    chunks: Vec<ChunkArgs<'a>>,
}

#[derive(Deserialize)]
struct ChunkArgs<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    confidence: f32,
}

pub(super) fn encode_hybrid<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: EncodeHybrid<'a> = request.args()?;
    let metadata = Metadata::try_from(args.metadata)?;
    let mut chunks = Vec::with_capacity(args.chunks.len());
    for (index, chunk) in args.chunks.iter().enumerate() {
        chunks.push(match chunk.kind.as_ref() {
            "LATENT" => HybridChunk::latent(request.part(&format!("c{index}"))?.bytes, chunk.confidence),
            "TEXT" => HybridChunk::text(chunk.text.as_deref().unwrap_or_default(), chunk.confidence),
            other => return Err(invalid("chunks", "type LATENT or TEXT", other).into()),
        });
    }
    let message = Encoder::new().dialect(request.dialect).encode_hybrid(&metadata, &chunks)?;
    Ok(Answer::new(json!({})).part("message", message))
}

#[derive(Deserialize)]
struct DecodeStream<'a> {
    #[serde(default)]
    splits: Vec<usize>,
    #[serde(borrow, flatten)]
    decode: Decode<'a>,
}

/// Most messages of one stream. A message may be a bare header, and each head is at least 256 bytes of JSON in an answer of
/// at most 1 MiB: more could be decoded, but not told.
const MAX_STREAM_MESSAGES: usize = 4096;

pub(super) fn decode_stream<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: DecodeStream<'a> = request.args()?;
    let stream = request.part("stream")?.bytes;
    let ordered = args.splits.is_sorted() && args.splits.last().is_none_or(|&last| last <= stream.len());
    if !ordered {
        return Err(invalid("splits", "ascending offsets in the stream", format!("{:?}", args.splits)).into());
    }
    let mut decoder = StreamDecoder::new(args.decode.decoder(request)?);
    let (mut heads, mut payloads) = (Vec::new(), Vec::new());
    let ends = args.splits.iter().copied().chain([stream.len()]);
    let mut start = 0;
    for end in ends {
        let mut piece = &stream[start..end];
        start = end;
        while let Some(message) = decoder.push(&mut piece)? {
            if heads.len() == MAX_STREAM_MESSAGES {
                let expected = format!("at most {MAX_STREAM_MESSAGES} messages");
                return Err(Error::new(ErrorClass::LimitExceeded, "stream", expected, "more").into());
            }
            heads.push(head(&message));
            payloads.push(message.payload.into_owned());
        }
    }
    let ok = json!({"messages": heads, "rest": decoder.pending()});
    let numbered = payloads.into_iter().enumerate();
    Ok(numbered
        .fold(Answer::new(ok), |answer, (index, payload)| answer.part(format!("payload{index}"), payload)))
}

#[derive(Deserialize)]
struct Advice<'a> {
    #[serde(borrow)]
    payload_type: Cow<'a, str>,
    size: u64,
}

pub(super) fn compression_advice<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Advice<'a> = request.args()?;
    let payload_type = PayloadType::from_name(&args.payload_type)
        .ok_or_else(|| invalid("payload_type", "a payload type", args.payload_type.as_ref()))?;
    Ok(Answer::new(json!({"compression": Compression::advised(payload_type, args.size).as_str()})))
}
