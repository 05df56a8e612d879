//! Where keys come from.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{KeyError, KeyErrorKind};

/// Where keys come from: a text with one key or several, white space between them.
///
/// Made of a `&str` or a `String`. What is not needed any more is overwritten in memory. `Debug` shows
/// nothing of it.
#[derive(Clone)]
pub struct Keys(Origin);

#[derive(Clone)]
enum Origin {
    Text(Arc<Zeroizing<String>>),
}

/// Reads one key.
type Parse<K> = fn(&str) -> Result<K, KeyError>;

/// Keys of the kind `K`.
#[derive(Clone)]
pub(crate) enum Source<K> {
    Fixed(Arc<[K]>),
}

impl<K> Source<K> {
    /// Reads the keys, to find out now what is wrong with them.
    pub(crate) fn new(keys: &Keys, parse: Parse<K>) -> Result<Self, KeyError> {
        match &keys.0 {
            Origin::Text(text) => read(text, parse).map(Self::Fixed),
        }
    }

    /// Returns the keys as they are now.
    pub(crate) fn keys(&self) -> Arc<[K]> {
        match self {
            Self::Fixed(keys) => Arc::clone(keys),
        }
    }
}

fn read<K>(text: &str, parse: Parse<K>) -> Result<Arc<[K]>, KeyError> {
    let keys: Arc<[_]> = text.split_whitespace().map(parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeyError::new(KeyErrorKind::Missing)) } else { Ok(keys) }
}

impl From<String> for Keys {
    fn from(text: String) -> Self {
        Self(Origin::Text(Arc::new(Zeroizing::new(text))))
    }
}

impl From<&str> for Keys {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
