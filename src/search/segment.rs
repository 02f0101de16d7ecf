//! An immutable part of the index: columns, posting lists and terms.

use crate::bits::Bits;
use crate::document::{Document, Facet, Number};
use crate::query::{Query, Sort, SortKey};
use domain::Kind;
use rustc_hash::FxHashMap;

/// A number column's blank. No price, distance or year is near it.
const BLANK: i64 = i64::MIN;

#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) documents: Vec<Document>,
    kinds: FxHashMap<Kind, Bits>,
    columns: Vec<FacetColumn>,
    numbers: Vec<Vec<i64>>,
    terms: FxHashMap<String, Vec<u32>>,
}

/// Values by code, and a code per document. Code 0 is blank.
#[derive(Debug, Default)]
struct FacetColumn {
    values: Vec<String>,
    codes: FxHashMap<String, u32>,
    /// The codes of a value whatever its case: people filter by `4wd` and mean `4WD`.
    folded: FxHashMap<String, Vec<u32>>,
    of: Vec<u32>,
    postings: Vec<Vec<u32>>,
}

/// One narrowing part of a query; `facet` when it comes from one, so that it can be left out.
struct Part {
    facet: Option<Facet>,
    bits: Bits,
}

/// What one segment says to a query.
pub(crate) struct Matched {
    pub(crate) bits: Bits,
    pub(crate) facets: Vec<(Facet, Vec<(String, usize)>)>,
}

impl Segment {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a segment has fewer than 2^32 documents"
    )]
    pub(crate) fn build(documents: Vec<Document>) -> Self {
        let mut segment = Self {
            kinds: FxHashMap::default(),
            columns: Facet::ALL.iter().map(|_| FacetColumn::new()).collect(),
            numbers: Number::ALL
                .iter()
                .map(|_| Vec::with_capacity(documents.len()))
                .collect(),
            terms: FxHashMap::default(),
            documents: Vec::new(),
        };
        for (place, document) in documents.iter().enumerate() {
            segment
                .kinds
                .entry(document.kind)
                .or_insert_with(|| Bits::none(documents.len()))
                .insert(place);
            for (column, value) in segment.columns.iter_mut().zip(&document.facets) {
                column.push(value, place as u32);
            }
            for (column, value) in segment.numbers.iter_mut().zip(&document.numbers) {
                column.push(value.unwrap_or(BLANK));
            }
            for term in &document.terms {
                segment
                    .terms
                    .entry(term.clone())
                    .or_default()
                    .push(place as u32);
            }
        }
        segment.documents = documents;
        segment
    }

    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    /// The documents that match, and counts for each facet asked for.
    pub(crate) fn matched(&self, query: &Query, live: &Bits) -> Matched {
        let mut common = live.clone();
        match self.kinds.get(&query.kind) {
            Some(kind) => common.and(kind),
            None => common = Bits::none(self.len()),
        }
        let parts = self.parts(query);
        // All-but-one sets from shared prefixes and suffixes: each part is intersected twice,
        // however many facets there are.
        let mut suffixes = vec![Bits::all(self.len())];
        for part in parts.iter().rev() {
            let mut next = suffixes[suffixes.len() - 1].clone();
            next.and(&part.bits);
            suffixes.push(next);
        }
        suffixes.reverse();
        let mut bits = common.clone();
        bits.and(&suffixes[0]);

        let mut facets = Vec::new();
        let mut prefix = common;
        for (place, part) in parts.iter().enumerate() {
            if let Some(facet) = part.facet.filter(|facet| query.facets.contains(facet)) {
                let mut others = prefix.clone();
                others.and(&suffixes[place + 1]);
                facets.push((facet, self.count(facet, &others)));
            }
            prefix.and(&part.bits);
        }
        for &facet in &query.facets {
            if !query.filters.contains_key(&facet) {
                facets.push((facet, self.count(facet, &bits)));
            }
        }
        Matched { bits, facets }
    }

    fn parts(&self, query: &Query) -> Vec<Part> {
        let mut parts = Vec::new();
        for (&facet, values) in &query.filters {
            let column = &self.columns[facet as usize];
            let mut bits = Bits::none(self.len());
            let codes = values
                .iter()
                .filter_map(|value| column.folded.get(&value.to_ascii_lowercase()));
            for code in codes.flatten() {
                for doc in &column.postings[*code as usize] {
                    bits.insert(*doc as usize);
                }
            }
            parts.push(Part {
                facet: Some(facet),
                bits,
            });
        }
        for (&number, range) in &query.ranges {
            let mut bits = Bits::none(self.len());
            for (doc, value) in self.numbers[number as usize].iter().enumerate() {
                if *value != BLANK && (range.low..=range.high).contains(value) {
                    bits.insert(doc);
                }
            }
            parts.push(Part { facet: None, bits });
        }
        for word in crate::text::words(&query.text) {
            let mut bits = Bits::none(self.len());
            for doc in self.terms.get(&word).into_iter().flatten() {
                bits.insert(*doc as usize);
            }
            parts.push(Part { facet: None, bits });
        }
        parts
    }

    /// Every value with its count among the documents, blanks left out.
    fn count(&self, facet: Facet, bits: &Bits) -> Vec<(String, usize)> {
        let column = &self.columns[facet as usize];
        let mut counts = vec![0usize; column.values.len()];
        for doc in bits.iter() {
            counts[column.of[doc] as usize] += 1;
        }
        counts
            .into_iter()
            .zip(&column.values)
            .skip(1)
            .filter(|(count, _)| *count > 0)
            .map(|(count, value)| (value.clone(), count))
            .collect()
    }

    /// The sort value of a document, `None` when blank.
    pub(crate) fn sort_value(&self, sort: Sort, doc: usize) -> Option<i64> {
        match sort.key {
            SortKey::Id => Some(self.documents[doc].id),
            SortKey::Number(number) => {
                Some(self.numbers[number as usize][doc]).filter(|v| *v != BLANK)
            }
        }
    }
}

impl FacetColumn {
    fn new() -> Self {
        let mut column = Self::default();
        column.values.push(String::new());
        column.codes.insert(String::new(), 0);
        column.folded.insert(String::new(), vec![0]);
        column.postings.push(Vec::new());
        column
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer values than documents"
    )]
    fn push(&mut self, value: &str, doc: u32) {
        let code = match self.codes.get(value) {
            Some(code) => *code,
            None => {
                let code = self.values.len() as u32;
                self.values.push(value.to_owned());
                self.codes.insert(value.to_owned(), code);
                let folded = self.folded.entry(value.to_ascii_lowercase());
                folded.or_default().push(code);
                self.postings.push(Vec::new());
                code
            }
        };
        self.of.push(code);
        self.postings[code as usize].push(doc);
    }
}
