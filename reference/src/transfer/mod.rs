//! HIDDEN STATE → INPUT EMBEDDING, and what hands a model's state over: realignment, soft embedding, norms (AVP-RLN).
