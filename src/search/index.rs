//! The index: segments published as snapshots.

use crate::bits::Bits;
use crate::document::{Document, Facet};
use crate::query::{Answer, Cursor, FacetCount, Query};
use crate::segment::Segment;
use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, PoisonError};

/// What happened to a listing, with its change-log position.
#[derive(Clone, Debug)]
pub enum Change {
    Put(Document),
    Remove(i64),
}

#[derive(Debug, Default)]
pub struct Snapshot {
    parts: Vec<(Arc<Segment>, Arc<Bits>)>,
    /// Everything up to this change-log position is in it.
    pub position: i64,
}

/// Readers take the current snapshot; one writer at a time makes the next.
#[derive(Debug, Default)]
pub struct Index {
    current: ArcSwap<Snapshot>,
    writer: Mutex<Places>,
}

/// Where each listing stands: segment and document.
#[derive(Debug, Default)]
struct Places(FxHashMap<i64, (usize, usize)>);

/// The delta is folded into the base when it outgrows this share of it.
const DELTA_SHARE: usize = 16;
const DELTA_AT_LEAST: usize = 2_048;

impl Index {
    /// Everything anew, as of a change-log position.
    pub fn load(&self, documents: Vec<Document>, position: i64) {
        let mut places = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.publish(&mut places, documents, position);
    }

    /// Takes changes in order; those of one listing may repeat, the last counts.
    pub fn apply(&self, changes: Vec<Change>, position: i64) {
        let mut places = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let mut latest: BTreeMap<i64, Option<Document>> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(document) => latest.insert(document.id, Some(document)),
                Change::Remove(id) => latest.insert(id, None),
            };
        }
        let mut lives: Vec<Bits> = before
            .parts
            .iter()
            .map(|(_, live)| (**live).clone())
            .collect();
        for id in latest.keys() {
            if let Some((segment, doc)) = places.0.remove(id) {
                lives[segment].remove(doc);
            }
        }
        let base = before
            .parts
            .first()
            .map(|(segment, _)| segment.clone())
            .unwrap_or_default();
        let mut fresh: Vec<Document> = Vec::new();
        for ((segment, _), live) in before.parts.iter().zip(&lives).skip(1) {
            fresh.extend(live.iter().map(|doc| segment.documents[doc].clone()));
        }
        fresh.extend(latest.into_values().flatten());
        if fresh.len() > DELTA_AT_LEAST.max(base.len() / DELTA_SHARE) {
            if let Some(live) = lives.first() {
                fresh.extend(live.iter().map(|doc| base.documents[doc].clone()));
            }
            fresh.sort_by_key(|document| document.id);
            self.publish(&mut places, fresh, position);
            return;
        }
        for (doc, document) in fresh.iter().enumerate() {
            places.0.insert(document.id, (1, doc));
        }
        let base_live = lives.into_iter().next().unwrap_or_else(|| Bits::all(0));
        let delta_live = Bits::all(fresh.len());
        let delta = Segment::build(fresh);
        self.current.store(Arc::new(Snapshot {
            parts: vec![
                (base, Arc::new(base_live)),
                (Arc::new(delta), Arc::new(delta_live)),
            ],
            position,
        }));
    }

    fn publish(&self, places: &mut Places, documents: Vec<Document>, position: i64) {
        places.0 = documents
            .iter()
            .enumerate()
            .map(|(doc, d)| (d.id, (0, doc)))
            .collect();
        let live = Bits::all(documents.len());
        let base = Segment::build(documents);
        self.current.store(Arc::new(Snapshot {
            parts: vec![(Arc::new(base), Arc::new(live))],
            position,
        }));
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
}

/// A hit's place in the order: blanks last, then value, then id.
type Key = (bool, i64, i64);

impl Snapshot {
    pub fn answer(&self, query: &Query) -> Answer {
        let mut answer = Answer::default();
        let mut counts: BTreeMap<Facet, FxHashMap<String, usize>> = query
            .facets
            .iter()
            .map(|facet| (*facet, FxHashMap::default()))
            .collect();
        let after = query
            .after
            .map(|cursor| key(cursor.value, cursor.id, query.sort.descending));
        // The `limit` smallest keys; one more tells whether there is a next page.
        let mut best: BinaryHeap<Key> = BinaryHeap::new();
        for (segment, live) in &self.parts {
            let matched = segment.matched(query, live);
            answer.total += matched.bits.count();
            for (facet, values) in matched.facets {
                let counts = counts.entry(facet).or_default();
                for (value, count) in values {
                    *counts.entry(value).or_default() += count;
                }
            }
            for doc in matched.bits.iter() {
                let value = segment.sort_value(query.sort, doc);
                let key = key(value, segment.documents[doc].id, query.sort.descending);
                if after.is_some_and(|after| key <= after) {
                    continue;
                }
                if best.len() <= query.limit {
                    best.push(key);
                } else if best.peek().is_some_and(|worst| key < *worst) {
                    best.pop();
                    best.push(key);
                }
            }
        }
        let mut keys = best.into_sorted_vec();
        let more = keys.len() > query.limit;
        keys.truncate(query.limit);
        answer.hits = keys
            .iter()
            .map(|key| id_of(*key, query.sort.descending))
            .collect();
        answer.next = keys
            .last()
            .filter(|_| more)
            .map(|key| cursor_of(*key, query.sort.descending));
        answer.facets = counts
            .into_iter()
            .map(|(facet, counts)| (facet, top(facet, counts, query)))
            .collect();
        answer
    }

    pub fn len(&self) -> usize {
        self.parts.iter().map(|(_, live)| live.count()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key(value: Option<i64>, id: i64, descending: bool) -> Key {
    let sign = if descending { -1 } else { 1 };
    (value.is_none(), value.unwrap_or(0) * sign, id * sign)
}

fn id_of(key: Key, descending: bool) -> i64 {
    if descending { -key.2 } else { key.2 }
}

fn cursor_of(key: Key, descending: bool) -> Cursor {
    let sign = if descending { -1 } else { 1 };
    Cursor {
        value: (!key.0).then_some(key.1 * sign),
        id: key.2 * sign,
    }
}

/// The most frequent values, and always those that are filtered by.
fn top(facet: Facet, counts: FxHashMap<String, usize>, query: &Query) -> Vec<FacetCount> {
    let mut all: Vec<FacetCount> = counts
        .into_iter()
        .map(|(value, count)| FacetCount { value, count })
        .collect();
    let selected = query
        .filters
        .get(&facet)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is_selected = |value: &str| selected.iter().any(|s| s.eq_ignore_ascii_case(value));
    for value in selected {
        if !all
            .iter()
            .any(|count| count.value.eq_ignore_ascii_case(value))
        {
            all.push(FacetCount {
                value: value.clone(),
                count: 0,
            });
        }
    }
    all.sort_by(|a, b| (Reverse(a.count), &a.value).cmp(&(Reverse(b.count), &b.value)));
    let mut kept = 0;
    all.retain(|count| {
        kept += 1;
        kept <= query.facet_limit || is_selected(&count.value)
    });
    all
}
