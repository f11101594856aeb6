//! What a table in Rust asks of a port: arrays, three caches and two mask functions.
//!
//! `StandardKvCache` and `RotatingKvCache` work; `ChunkedKvCache` is there to be named.

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug)]
pub struct Error(pub &'static str);

#[derive(Clone, Debug)]
enum Data {
  Numbers(Vec<f32>),
  Truths(Vec<bool>),
}

pub trait Element: Sized {
  fn read(array: &Array) -> Result<Vec<Self>>;
}

impl Element for f32 {
  fn read(array: &Array) -> Result<Vec<f32>> {
    match &array.data {
      Data::Numbers(numbers) => Ok(numbers.clone()),
      Data::Truths(_) => Err(Error("not numbers")),
    }
  }
}

impl Element for bool {
  fn read(array: &Array) -> Result<Vec<bool>> {
    match &array.data {
      Data::Truths(truths) => Ok(truths.clone()),
      Data::Numbers(_) => Err(Error("not truths")),
    }
  }
}

#[derive(Clone, Debug)]
pub struct Array {
  data: Data,
  shape: Vec<usize>,
}

impl Array {
  pub fn from_slice<T: Into<f32> + Copy>(
    numbers: &[T],
    shape: &(usize, usize, usize, usize),
  ) -> Result<Array> {
    let data = Data::Numbers(numbers.iter().map(|number| (*number).into()).collect());
    Ok(Array {
      data,
      shape: vec![shape.0, shape.1, shape.2, shape.3],
    })
  }

  pub fn shape(&self) -> Vec<usize> {
    self.shape.clone()
  }

  pub fn to_vec<T: Element>(&mut self) -> Result<Vec<T>> {
    T::read(self)
  }

  /// The slots of these indices, in this order.
  fn slots(&self, slots: impl Iterator<Item = usize> + Clone) -> Array {
    let (rows, length, lanes) = (self.shape[0] * self.shape[1], self.shape[2], self.shape[3]);
    let Data::Numbers(numbers) = &self.data else {
      unreachable!()
    };
    let mut taken = Vec::new();
    for row in 0..rows {
      for slot in slots.clone() {
        let start = (row * length + slot) * lanes;
        taken.extend_from_slice(&numbers[start..start + lanes]);
      }
    }
    let count = slots.count();
    let shape = vec![self.shape[0], self.shape[1], count, lanes];
    Array {
      data: Data::Numbers(taken),
      shape,
    }
  }

  fn then(&self, more: &Array) -> Array {
    let (rows, lanes) = (self.shape[0] * self.shape[1], self.shape[3]);
    let (Data::Numbers(left), Data::Numbers(right)) = (&self.data, &more.data) else {
      unreachable!()
    };
    let (a, b) = (self.shape[2] * lanes, more.shape[2] * lanes);
    let mut joined = Vec::new();
    for row in 0..rows {
      joined.extend_from_slice(&left[row * a..(row + 1) * a]);
      joined.extend_from_slice(&right[row * b..(row + 1) * b]);
    }
    let shape = vec![
      self.shape[0],
      self.shape[1],
      self.shape[2] + more.shape[2],
      lanes,
    ];
    Array {
      data: Data::Numbers(joined),
      shape,
    }
  }
}

pub mod lm {
  pub mod cache {
    use crate::{Array, Data, Error, Result};

    pub enum MaskMode {
      None,
      Causal,
      Array(Array),
    }

    pub trait KvCache {
      fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)>;
      fn offset(&self) -> usize;
      fn trim(&mut self, n: usize) -> Result<usize>;
      fn is_trimmable(&self) -> bool;
      fn state(&self) -> Result<Vec<Array>>;
      fn meta_state(&self) -> Vec<String>;
      fn copy(&self) -> Result<Box<dyn KvCache>>;
      fn materialize(&mut self) -> Result<()> {
        Ok(())
      }
      fn make_mask(&self, n: usize, window: Option<usize>, array: bool) -> Result<MaskMode> {
        create_attention_mask(n, self.offset(), array, window)
      }
    }

    pub fn create_causal_mask(n: usize, offset: usize, window: Option<usize>) -> Result<Array> {
      let end = offset.checked_add(n).ok_or(Error("past 64 bits"))?;
      let attends = |query: usize, key: usize| {
        query >= key && window.is_none_or(|window| query < key.saturating_add(window))
      };
      let rows = (offset..end)
        .flat_map(|q| (0..end).map(move |k| attends(q, k)))
        .collect();
      Ok(Array {
        data: Data::Truths(rows),
        shape: vec![n, end],
      })
    }

    pub fn create_attention_mask(
      n: usize,
      offset: usize,
      array: bool,
      window: Option<usize>,
    ) -> Result<MaskMode> {
      match (window, n) {
        (Some(_), _) => Ok(MaskMode::Array(create_causal_mask(n, offset, window)?)),
        (None, 1) => Ok(MaskMode::None),
        _ if array => Ok(MaskMode::Array(create_causal_mask(n, offset, None)?)),
        _ => Ok(MaskMode::Causal),
      }
    }

    type Pair = Option<(Array, Array)>;

    #[derive(Clone, Default)]
    pub struct StandardKvCache {
      held: Pair,
    }

    impl StandardKvCache {
      pub fn new() -> Self {
        Self::default()
      }
    }

    impl KvCache for StandardKvCache {
      fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)> {
        let held = match self.held.take() {
          Some((k, v)) => (k.then(keys), v.then(values)),
          None => (keys.clone(), values.clone()),
        };
        self.held = Some(held.clone());
        Ok(held)
      }

      fn offset(&self) -> usize {
        self.held.as_ref().map_or(0, |(keys, _)| keys.shape[2])
      }

      fn trim(&mut self, n: usize) -> Result<usize> {
        let (left, n) = (self.offset().saturating_sub(n), n.min(self.offset()));
        self.held = self
          .held
          .take()
          .map(|(k, v)| (k.slots(0..left), v.slots(0..left)));
        Ok(n)
      }

      fn is_trimmable(&self) -> bool {
        true
      }

      fn state(&self) -> Result<Vec<Array>> {
        Ok(
          self
            .held
            .iter()
            .flat_map(|(k, v)| [k.clone(), v.clone()])
            .collect(),
        )
      }

      fn meta_state(&self) -> Vec<String> {
        Vec::new()
      }

      fn copy(&self) -> Result<Box<dyn KvCache>> {
        Ok(Box::new(self.clone()))
      }
    }

    #[derive(Clone)]
    pub struct RotatingKvCache {
      max_size: usize,
      keep: usize,
      offset: usize,
      cursor: usize,
      held: Pair,
    }

    impl RotatingKvCache {
      pub fn new(max_size: usize, keep: usize) -> Self {
        Self {
          max_size,
          keep,
          offset: 0,
          cursor: 0,
          held: None,
        }
      }

      /// Slots in the order of time, without those that a prefill drops behind the prefix.
      fn left(&self, length: usize) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..self.keep.min(length)).collect();
        if self.cursor < length {
          slots.extend(self.cursor..length);
          slots.extend(self.keep..self.cursor);
        } else {
          slots.extend(self.keep.min(length)..length);
        }
        let drop = (slots.len() + 1).saturating_sub(self.max_size);
        slots.drain(self.keep.min(slots.len())..(self.keep + drop).min(slots.len()));
        slots
      }
    }

    impl KvCache for RotatingKvCache {
      fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)> {
        let count = keys.shape[2];
        let held = match self.held.take() {
          None => (keys.clone(), values.clone()),
          Some((k, v)) if count == 1 && k.shape[2] >= self.max_size => {
            let surplus = k.shape[2] - self.max_size;
            let kept = (0..self.keep).chain(self.keep + surplus..k.shape[2]);
            let (k, v) = (k.slots(kept.clone()), v.slots(kept));
            let at = if surplus > 0 || self.cursor >= self.max_size {
              self.keep
            } else {
              self.cursor
            };
            self.cursor = at;
            let put = |held: &Array, new: &Array| {
              let joined = held.then(new);
              let last = joined.shape[2] - 1;
              joined.slots((0..at).chain([last]).chain(at + 1..last))
            };
            (put(&k, keys), put(&v, values))
          }
          Some((k, v)) if count == 1 => (k.then(keys), v.then(values)),
          Some((k, v)) => {
            let left = self.left(k.shape[2]);
            self.cursor = left.len();
            let slots = left.into_iter();
            (
              k.slots(slots.clone()).then(keys),
              v.slots(slots).then(values),
            )
          }
        };
        self.offset += count;
        self.cursor += count;
        self.held = Some(held.clone());
        Ok(held)
      }

      fn make_mask(&self, n: usize, window: Option<usize>, array: bool) -> Result<MaskMode> {
        if n > 1 {
          let window = window.filter(|window| *window > 0).unwrap_or(self.max_size);
          let offset = self.offset.min(self.max_size - 1);
          let needed = array || offset + n > window;
          return if needed {
            create_causal_mask(n, offset, Some(window)).map(MaskMode::Array)
          } else {
            Ok(MaskMode::Causal)
          };
        }
        match window {
          Some(window) if self.offset >= window && self.max_size > window => {
            let size = self.max_size.min(self.offset + 1);
            let cursor = if self.cursor >= self.max_size {
              0
            } else {
              self.cursor
            };
            let mut seen: Vec<bool> = (0..size).map(|slot| slot >= size - window).collect();
            seen.rotate_right((cursor + 1) % size);
            Ok(MaskMode::Array(Array {
              data: Data::Truths(seen),
              shape: vec![size],
            }))
          }
          _ => Ok(MaskMode::None),
        }
      }

      fn offset(&self) -> usize {
        self.offset
      }

      fn trim(&mut self, n: usize) -> Result<usize> {
        let n = n.min(self.offset);
        self.offset -= n;
        self.cursor -= n;
        self.held = self
          .held
          .take()
          .map(|(k, v)| (k.slots(0..self.offset), v.slots(0..self.offset)));
        Ok(n)
      }

      fn is_trimmable(&self) -> bool {
        self.offset < self.max_size
      }

      fn state(&self) -> Result<Vec<Array>> {
        Ok(
          self
            .held
            .iter()
            .flat_map(|(k, v)| [k.clone(), v.clone()])
            .collect(),
        )
      }

      fn meta_state(&self) -> Vec<String> {
        [self.keep, self.max_size, self.offset, self.cursor]
          .map(|n| n.to_string())
          .to_vec()
      }

      fn copy(&self) -> Result<Box<dyn KvCache>> {
        Ok(Box::new(self.clone()))
      }
    }

    pub struct ChunkedKvCache(StandardKvCache);

    impl ChunkedKvCache {
      pub fn new(_chunk_size: Option<usize>) -> Self {
        Self(StandardKvCache::new())
      }
    }

    impl KvCache for ChunkedKvCache {
      fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)> {
        self.0.update(keys, values)
      }

      fn offset(&self) -> usize {
        self.0.offset()
      }

      fn trim(&mut self, n: usize) -> Result<usize> {
        self.0.trim(n)
      }

      fn is_trimmable(&self) -> bool {
        true
      }

      fn state(&self) -> Result<Vec<Array>> {
        self.0.state()
      }

      fn meta_state(&self) -> Vec<String> {
        Vec::new()
      }

      fn copy(&self) -> Result<Box<dyn KvCache>> {
        self.0.copy()
      }
    }
  }
}
