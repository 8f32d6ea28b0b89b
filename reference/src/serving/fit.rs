//! Whether a model can go on from a context that a peer sent.

use serde_json::{Map, Value, json};

use super::agent::MAX_LATENT_STEPS;
use crate::context::{ContextMessage, ContextState};
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::model::{ConnectorInfo, Context};
use crate::session::{ModelIdentity, Session, SessionMode};
use crate::transport::Received;
use crate::wire::PayloadType;

/// What a context is held against.
pub(super) struct Fit<'a> {
    /// Who the model is.
    pub(super) identity: &'a ModelIdentity,
    /// What its engine says of it.
    pub(super) info: &'a ConnectorInfo,
    /// Whether another model hash is taken when the shape fits.
    pub(super) accept_structural: bool,
}

/// What is said of any message.
pub(super) fn facts_of_message(message: &Received) -> Map<String, Value> {
    let metadata = &message.metadata;
    let mut facts = Map::new();
    facts.insert("payload_type".to_owned(), json!(metadata.payload_type.as_str()));
    facts.insert("mode".to_owned(), json!(metadata.mode.as_str()));
    facts.insert("payload_bytes".to_owned(), json!(message.payload().len()));
    facts
}

impl Fit<'_> {
    /// Judges a message without copying its tensors, and says what its context is.
    ///
    /// # Errors
    /// What [`ContextMessage::read`] refuses; `incompatible_models` for another model's context, one that was not projected
    /// as the session agreed, and another shape; `limit_exceeded` for one that leaves no room in the model's window, or
    /// has more states than an answer may have latent steps.
    pub(super) fn judge(&self, message: &Received, session: Option<&Session>) -> Result<Map<String, Value>> {
        let (context, _) = ContextMessage::read(&message.metadata, message.payload())?;
        self.check_origin(message, &context, session)?;
        self.check_shape(&context)?;
        self.check_length(&context, message.metadata.avp_map_id.is_empty())?;
        let mut facts = facts_of_message(message);
        facts.insert("seq_len".to_owned(), json!(context.seq_len()));
        facts.insert("num_steps".to_owned(), json!(context.num_steps));
        Ok(facts)
    }

    /// The context of a message that was judged, as one of this model. The tensors are copied.
    ///
    /// # Errors
    /// As [`Self::judge`]; `projection` for hidden states that are not finite.
    pub(super) fn take(&self, message: &Received, session: Option<&Session>) -> Result<Context> {
        self.judge(message, session)?;
        let mut context = Context::from_parts(&message.metadata, message.payload())?.context;
        if context.hidden_states().is_some_and(|states| states.values.iter().any(|value| !value.is_finite()))
        {
            return Err(Error::new(
                ErrorClass::Projection,
                "context.hidden_states",
                "finite values",
                "others",
            ));
        }
        // Judged to be this model's, whether or not the message says so.
        context.model_hash.clone_from(&self.identity.model_hash);
        Ok(context)
    }

    /// Positions of the model's window; as many as one likes where the engine does not say.
    pub(super) fn window(&self) -> usize {
        if self.info.context_length == 0 { usize::MAX } else { self.info.context_length }
    }

    /// One position at least must be left. States that no map has made input embeddings become such one by one.
    ///
    /// # Errors
    /// `limit_exceeded`.
    fn check_length(&self, context: &ContextMessage<'_>, as_steps: bool) -> Result<()> {
        let (positions, most) = (positions(context), MAX_LATENT_STEPS as usize);
        let (field, expected) = match &context.state {
            ContextState::Hidden { .. } if as_steps && positions > most => (
                "context.hidden_states",
                format!("at most {most}, each of which costs as much as a latent step"),
            ),
            _ if positions < self.window() => return Ok(()),
            _ => ("context.seq_len", format!("fewer positions than the model's window of {}", self.window())),
        };
        Err(Error::new(ErrorClass::LimitExceeded, field, expected, positions.to_string()))
    }

    /// Whose states they are, going by what the message and the session say.
    fn check_origin(
        &self,
        message: &Received,
        context: &ContextMessage<'_>,
        session: Option<&Session>,
    ) -> Result<()> {
        let refused = |field, expected: String, found: String| {
            Err(Error::new(ErrorClass::IncompatibleModels, field, expected, found))
        };
        let (own, hash, map_id) =
            (&self.identity.model_hash, &context.model_hash, &message.metadata.avp_map_id);
        let session = session.filter(|session| session.mode == SessionMode::Latent);
        if !map_id.is_empty() {
            const FIELD: &str = "metadata.avp_map_id";
            if message.metadata.payload_type != PayloadType::HiddenState {
                let expected = "hidden states: no map projects anything else".to_owned();
                return refused(FIELD, expected, message.metadata.payload_type.as_str().to_owned());
            }
            return match session {
                // Projected as agreed. Whether the hash is the source's or the target's is the sender's habit.
                Some(session) if session.avp_map_id == *map_id => Ok(()),
                Some(session) => {
                    refused(FIELD, format!("the session's map, {:?}", session.avp_map_id), excerpt(map_id))
                }
                None if hash == own && !own.is_empty() => Ok(()),
                None => refused(FIELD, format!("states projected for {own}"), excerpt(hash)),
            };
        }
        if hash == own && !own.is_empty() || self.accept_structural {
            return Ok(());
        }
        // A message that says nothing is of the model that its sender introduced itself with.
        let same = |session: &Session| session.identities.iter().all(|identity| identity.model_hash == *own);
        if hash.is_empty() && session.is_some_and(|session| session.identities.len() > 1 && same(session)) {
            return Ok(());
        }
        refused("context.model_hash", format!("this model's hash, {own}"), excerpt(hash))
    }

    fn check_shape(&self, context: &ContextMessage<'_>) -> Result<()> {
        let (field, expected, found) = match &context.state {
            ContextState::Cache(layers) => {
                let dims = layers.first().map_or(&[][..], |layer| layer.k.shape());
                let &[heads, _, width] = dims else {
                    return Err(Error::new(ErrorClass::ShapeMismatch, "kv", "one layer or more", "none"));
                };
                let own = [
                    self.info.num_layers as u64,
                    self.identity.num_kv_heads.into(),
                    self.identity.head_dim.into(),
                ];
                // What an identity leaves open is held against the cache itself, by the engine.
                let theirs = [layers.len() as u64, heads, width];
                if own.iter().zip(&theirs).all(|(own, theirs)| *own == 0 || own == theirs) {
                    return Ok(());
                }
                let text =
                    |[layers, heads, width]: [u64; 3]| format!("{layers} layers of {heads} heads × {width}");
                ("context.cache", text(own), text(theirs))
            }
            ContextState::Hidden { states, .. } => match *states.shape() {
                [rows, width] if rows > 0 && width == self.info.hidden_dim as u64 => return Ok(()),
                [_, width] => ("context.hidden_dim", self.info.hidden_dim.to_string(), width.to_string()),
                _ => ("context.hidden_dim", self.info.hidden_dim.to_string(), "no rows".to_owned()),
            },
        };
        Err(Error::new(ErrorClass::IncompatibleModels, field, expected, found))
    }
}

/// Positions that a context takes in a model's window: of hidden states one each, whatever they stand for.
fn positions(context: &ContextMessage<'_>) -> usize {
    match &context.state {
        ContextState::Cache(_) => context.seq_len() as usize,
        ContextState::Hidden { states, .. } => states.shape().first().map_or(0, |&rows| rows as usize),
    }
}

/// The same of a context.
pub(super) fn positions_of(context: &Context) -> usize {
    match (context.cache(), context.hidden_states()) {
        (Some(cache), _) => cache.len(),
        (None, Some(states)) => states.values.len() / (context.hidden_dim as usize).max(1),
        (None, None) => 0,
    }
}
