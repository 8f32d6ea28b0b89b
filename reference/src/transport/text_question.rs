//! TEXT MESSAGE → QUESTION.

use std::sync::Arc;

use serde_json::Value;

use super::agent::{Prompt, Question};
use super::received::Received;
use super::server::chat::{MAX_STOP_BYTES, MAX_STOPS};
use crate::error::{Error, ErrorClass, Result};
use crate::session::fields::kind;
use crate::session::{Session, TextMessage};

impl Question {
    /// What a text message asks, in a session and behind a context where there are such.
    ///
    /// The message's `extra` may say how it wants to be answered. Keys that are not known are somebody else's; `null`
    /// counts as absent.
    ///
    /// | key | value | without |
    /// |---|---|---|
    /// | `max_tokens` | tokens to write at most, from 1 | the agent's own bound |
    /// | `temperature` | a number from 0, which is greedy | as the agent likes; a model's is greedy |
    /// | `top_p` | a number above 0, at most 1 | as the agent likes |
    /// | `seed` | an integer from 0 | any |
    /// | `stop` | a text that ends the answer, or up to 4 | none |
    /// | `latent_steps` | latent steps before the answer | 0 |
    /// | `keep` | whether the context behind the answer stays in the session | false |
    ///
    /// # Errors
    /// `invalid_argument` for a value of another kind.
    pub fn of_text(
        message: TextMessage,
        session: Option<Arc<Session>>,
        context: Option<Arc<Received>>,
    ) -> Result<Self> {
        let extra = &message.extra;
        let get = |name: &str| extra.get(name).filter(|value| !value.is_null());
        let (field, count) = ("message.extra.max_tokens", |value: &Value| value.as_u64().filter(|&n| n > 0));
        let max_tokens = read(get("max_tokens"), field, "an integer from 1", count)?;
        let (field, number) = ("message.extra.temperature", |value: &Value| {
            value.as_f64().map(|number| number as f32).filter(|number| *number >= 0.0 && number.is_finite())
        });
        let temperature = read(get("temperature"), field, "a number from 0", number)?;
        let (field, part) = ("message.extra.top_p", |value: &Value| {
            value.as_f64().map(|number| number as f32).filter(|number| *number > 0.0 && *number <= 1.0)
        });
        let top_p = read(get("top_p"), field, "a number above 0, at most 1", part)?;
        let seed = read(get("seed"), "message.extra.seed", "an integer from 0", Value::as_u64)?;
        let (field, steps) = ("message.extra.latent_steps", |value: &Value| {
            value.as_u64().and_then(|steps| u32::try_from(steps).ok())
        });
        let latent_steps = read(get("latent_steps"), field, "an integer from 0", steps)?.unwrap_or_default();
        let keep =
            read(get("keep"), "message.extra.keep", "true or false", Value::as_bool)?.unwrap_or_default();
        let expected = format!("a text of 1 to {MAX_STOP_BYTES} bytes, or up to {MAX_STOPS}");
        let stop = read(get("stop"), "message.extra.stop", &expected, stops)?.unwrap_or_default();
        Ok(Self {
            prompt: Prompt::Text(message),
            context,
            session,
            max_tokens,
            temperature,
            top_p,
            seed,
            stop,
            latent_steps,
            keep,
        })
    }
}

fn read<T>(
    value: Option<&Value>,
    field: &'static str,
    expected: &str,
    convert: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>> {
    let Some(value) = value else { return Ok(None) };
    let wrong = || Error::new(ErrorClass::InvalidArgument, field, expected, kind(value));
    convert(value).map(Some).ok_or_else(wrong)
}

fn stops(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array().map_or_else(|| std::slice::from_ref(value), |texts| &texts[..]);
    let text = |value: &Value| {
        let text = value.as_str().filter(|text| (1..=MAX_STOP_BYTES).contains(&text.len()));
        text.map(str::to_owned)
    };
    if texts.len() > MAX_STOPS { None } else { texts.iter().map(text).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(extra: &Value) -> Result<Question> {
        let extra = extra.as_object().cloned().unwrap_or_default();
        Question::of_text(
            TextMessage { content: "Hello".into(), extra, ..TextMessage::default() },
            None,
            None,
        )
    }

    #[test]
    fn extra_says_how_to_answer() {
        let question = of(&json!({
            "max_tokens": 7, "temperature": 0.5, "top_p": 1, "seed": 3, "stop": ["a", "b"], "latent_steps": 5, "keep": true,
            "somebody": ["else's"],
        }));
        let question = question.unwrap();
        assert!(matches!(&question.prompt, Prompt::Text(message) if message.content == "Hello"));
        assert_eq!(
            (question.max_tokens, question.temperature, question.top_p),
            (Some(7), Some(0.5), Some(1.0))
        );
        assert_eq!((question.seed, question.latent_steps, question.keep), (Some(3), 5, true));
        assert_eq!(question.stop, ["a", "b"]);
        assert_eq!(of(&json!({"stop": "x"})).unwrap().stop, ["x"]);
        for extra in [json!({}), json!({"max_tokens": null, "keep": null, "stop": null, "temperature": null})]
        {
            let question = of(&extra).unwrap();
            assert_eq!((question.max_tokens, question.temperature, question.keep), (None, None, false));
        }
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        for (extra, field) in [
            (json!({"max_tokens": 0}), "message.extra.max_tokens"),
            (json!({"max_tokens": "7"}), "message.extra.max_tokens"),
            (json!({"temperature": -1}), "message.extra.temperature"),
            (json!({"temperature": 1e300}), "message.extra.temperature"),
            (json!({"top_p": 0}), "message.extra.top_p"),
            (json!({"top_p": 1.5}), "message.extra.top_p"),
            (json!({"seed": -1}), "message.extra.seed"),
            (json!({"stop": ""}), "message.extra.stop"),
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "message.extra.stop"),
            (json!({"stop": [1]}), "message.extra.stop"),
            (json!({"latent_steps": 1_u64 << 32}), "message.extra.latent_steps"),
            (json!({"keep": "yes"}), "message.extra.keep"),
        ] {
            let error = of(&extra).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::InvalidArgument, field), "{extra}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_in_their_ranges(temperature: f64, top_p: f64) {
            if let Ok(question) = of(&json!({"temperature": temperature, "top_p": top_p})) {
                prop_assert!(question.temperature.is_none_or(|t| t >= 0.0 && t.is_finite()));
                prop_assert!(question.top_p.is_none_or(|p| p > 0.0 && p <= 1.0));
            }
        }
    }
}
