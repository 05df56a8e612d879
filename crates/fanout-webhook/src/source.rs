//! Where keys come from.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "secret")]
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::{KeyError, KeyErrorKind};

/// Where keys come from: a text with one key or several, white space between them.
///
/// Made of a `&str` or a `String`, or, with the feature `secret`, of a `fanout::Secret`: one from a file follows the
/// file, so a key is changed by writing the file. When what the file says then is no key, the last good ones stay.
///
/// What is not needed any more is overwritten in memory. `Debug` shows
/// nothing of it.
#[derive(Clone)]
pub struct Keys(Origin);

#[derive(Clone)]
enum Origin {
    Text(Arc<Zeroizing<String>>),
    #[cfg(feature = "secret")]
    Secret(fanout::Secret),
}

/// Reads one key.
type Parse<K> = fn(&str) -> Result<K, KeyError>;

/// Keys of the kind `K`.
#[derive(Clone)]
pub(crate) enum Source<K> {
    Fixed(Arc<[K]>),
    #[cfg(feature = "secret")]
    Followed(Arc<Followed<K>>),
}

/// Keys of a secret that may change.
#[cfg(feature = "secret")]
pub(crate) struct Followed<K> {
    secret: fanout::Secret,
    parse: Parse<K>,
    /// The last good keys, and which text of the secret was looked at last.
    last: Mutex<(u64, Arc<[K]>)>,
}

#[cfg(feature = "secret")]
impl<K> Followed<K> {
    fn keys(&self) -> Arc<[K]> {
        let text = self.secret.expose();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != text.generation() {
            last.0 = text.generation();
            if let Ok(keys) = read(&text, self.parse) {
                last.1 = keys;
            }
        }
        Arc::clone(&last.1)
    }
}

impl<K> Source<K> {
    /// Reads the keys, to find out now what is wrong with them.
    pub(crate) fn new(keys: &Keys, parse: Parse<K>) -> Result<Self, KeyError> {
        match &keys.0 {
            Origin::Text(text) => read(text, parse).map(Self::Fixed),
            #[cfg(feature = "secret")]
            Origin::Secret(secret) => {
                let text = secret.expose();
                let last = Mutex::new((text.generation(), read(&text, parse)?));
                Ok(Self::Followed(Arc::new(Followed { secret: secret.clone(), parse, last })))
            }
        }
    }

    /// Returns the keys as they are now.
    pub(crate) fn keys(&self) -> Arc<[K]> {
        match self {
            Self::Fixed(keys) => Arc::clone(keys),
            #[cfg(feature = "secret")]
            Self::Followed(followed) => followed.keys(),
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

#[cfg(feature = "secret")]
impl From<fanout::Secret> for Keys {
    fn from(secret: fanout::Secret) -> Self {
        Self(Origin::Secret(secret))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
