//! A hidden state and a KV-cache, written and read.
//!
//!     cargo run -p avp --example 02_roundtrip
//!
//! Bytes are copied as little as possible: the hidden state once, into the message; the cache once, from its tensors
//! into the message; and nothing at all when they are read.

use avp::{
    Compression, DataType, Decoder, Encoder, KvLayer, KvPayload, Metadata, PayloadType, Result, TensorView,
    kv, tensor,
};

fn main() -> Result<()> {
    hidden_state()?;
    cache()
}

fn hidden_state() -> Result<()> {
    let values: Vec<f32> = (0..4096).map(|i| (i as f32 * 0.37).sin()).collect();
    let metadata = Metadata {
        model_id: "example/model".into(),
        hidden_dim: 4096,
        dtype: DataType::Float16,
        tensor_shape: vec![1, 4096],
        ..Metadata::default()
    };
    let payload = tensor::encode_f32(&values, metadata.dtype)?;
    for compression in [Compression::None, Compression::Balanced] {
        let bytes = Encoder::new().compression(compression).encode(&metadata, &payload)?;
        let message = Decoder::new().decode(&bytes)?;
        let read = tensor::decode_f32(&TensorView::of_message(&message)?);
        let worst = values.iter().zip(&read).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("hidden state, {}: {} bytes, off by at most {worst}", compression.as_str(), bytes.len());
    }
    Ok(())
}

fn cache() -> Result<()> {
    // Two layers of 2 heads, 5 tokens, 8 elements a head.
    let data: Vec<Vec<u8>> =
        (0..4u8).map(|t| (0..2 * 5 * 8 * 2).map(|i| (i as u8).wrapping_mul(7) ^ t).collect()).collect();
    let view = |i: usize| TensorView::new(DataType::BFloat16, &[2, 5, 8], &data[i]);
    let layers = [KvLayer { k: view(0)?, v: view(1)? }, KvLayer { k: view(2)?, v: view(3)? }];

    let metadata = Metadata {
        payload_type: PayloadType::KvCache,
        dtype: DataType::BFloat16,
        num_layers: 2,
        ..Metadata::default()
    };
    let mut bytes = Vec::new();
    let payload = kv::encode_vectored(&layers)?;
    Encoder::new().encode_pieces_into(&metadata, &payload.pieces(), &mut bytes)?;

    let message = Decoder::new().strict(true).decode(&bytes)?;
    let read = KvPayload::parse_strict(&message.payload)?;
    assert!(read.layers().eq(layers), "the same to the bit");
    println!("cache: {} bytes, {:?}", bytes.len(), read.header());
    Ok(())
}
