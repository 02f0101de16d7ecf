//! Every answer equals what a plain loop over all documents finds, after any series of writes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::Kind;
use proptest::prelude::*;
use search::{
    Answer, Change, Cursor, Document, Facet, FacetCount, Index, Number, Query, Range, Sort, SortKey,
};
use std::collections::BTreeMap;

fn document() -> impl Strategy<Value = Document> {
    let value = prop::sample::select(vec!["", "a", "A", "b", "c", "d"]).prop_map(str::to_owned);
    let number = prop::option::weighted(0.8, 0i64..12);
    let term = prop::sample::select(vec!["red", "blue", "f150", "lariat"]).prop_map(str::to_owned);
    (
        1i64..60,
        prop::sample::select(vec![Kind::Vehicle, Kind::Vehicle, Kind::Equipment]),
        prop::collection::vec(value, Facet::ALL.len()),
        prop::collection::vec(number, Number::ALL.len()),
        prop::collection::btree_set(term, 0..3),
    )
        .prop_map(|(id, kind, facets, numbers, terms)| Document {
            id,
            kind,
            facets,
            numbers,
            terms: terms.into_iter().collect(),
        })
}

fn query() -> impl Strategy<Value = Query> {
    let facet = prop::sample::select(Facet::ALL);
    let value = prop::sample::select(vec!["a", "B", "b", "c", "never"]).prop_map(str::to_owned);
    let range = (0i64..12, 0i64..12).prop_map(|(low, high)| Range { low, high });
    let key = prop::sample::select(vec![
        SortKey::Id,
        SortKey::Number(Number::PriceCents),
        SortKey::Number(Number::Hours),
    ]);
    (
        prop::sample::select(vec!["", "red", "F150 Lariat", "nothing"]),
        prop::collection::btree_map(facet, prop::collection::vec(value, 1..3), 0..4),
        prop::collection::btree_map(prop::sample::select(Number::ALL), range, 0..2),
        (key, any::<bool>()),
        1usize..8,
        prop::sample::subsequence(Facet::ALL.to_vec(), 0..=Facet::ALL.len()),
        1usize..6,
    )
        .prop_map(
            |(text, filters, ranges, (key, descending), limit, facets, facet_limit)| Query {
                kind: Kind::Vehicle,
                text: text.to_owned(),
                filters,
                ranges,
                sort: Sort { key, descending },
                after: None,
                limit,
                facets,
                facet_limit,
            },
        )
}

/// `but` is the facet whose own filter is left out.
fn matches(query: &Query, document: &Document, but: Option<Facet>) -> bool {
    document.kind == query.kind
        && query
            .text
            .split(' ')
            .filter(|w| !w.is_empty())
            .all(|w| document.terms.contains(&w.to_lowercase()))
        && query.filters.iter().all(|(facet, values)| {
            let value = &document.facets[*facet as usize];
            Some(*facet) == but || values.iter().any(|v| v.eq_ignore_ascii_case(value))
        })
        && query.ranges.iter().all(|(number, range)| {
            document.numbers[*number as usize].is_some_and(|v| range.low <= v && v <= range.high)
        })
}

fn order(query: &Query, document: &Document) -> (bool, i64, i64) {
    let value = match query.sort.key {
        SortKey::Id => Some(document.id),
        SortKey::Number(number) => document.numbers[number as usize],
    };
    let sign = if query.sort.descending { -1 } else { 1 };
    (
        value.is_none(),
        value.unwrap_or(0) * sign,
        document.id * sign,
    )
}

fn brute_force(
    documents: &BTreeMap<i64, Document>,
    query: &Query,
) -> (usize, Vec<i64>, BTreeMap<Facet, Vec<FacetCount>>) {
    let mut hits: Vec<&Document> = documents
        .values()
        .filter(|d| matches(query, d, None))
        .collect();
    hits.sort_by_key(|d| order(query, d));
    let mut facets = BTreeMap::new();
    for &facet in &query.facets {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for document in documents
            .values()
            .filter(|d| matches(query, d, Some(facet)))
        {
            let value = &document.facets[facet as usize];
            if !value.is_empty() {
                *counts.entry(value.clone()).or_default() += 1;
            }
        }
        let selected = query.filters.get(&facet).cloned().unwrap_or_default();
        for value in &selected {
            if !counts.keys().any(|v| v.eq_ignore_ascii_case(value)) {
                counts.insert(value.clone(), 0);
            }
        }
        let mut all: Vec<FacetCount> = counts
            .into_iter()
            .map(|(value, count)| FacetCount { value, count })
            .collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then(a.value.cmp(&b.value)));
        let kept = all
            .into_iter()
            .enumerate()
            .filter(|(place, c)| {
                *place < query.facet_limit
                    || selected.iter().any(|v| v.eq_ignore_ascii_case(&c.value))
            })
            .map(|(_, c)| c)
            .collect();
        facets.insert(facet, kept);
    }
    (hits.len(), hits.iter().map(|d| d.id).collect(), facets)
}

/// All pages, one after the other.
fn pages(index: &Index, query: &Query) -> (Answer, Vec<i64>) {
    let snapshot = index.snapshot();
    let first = snapshot.answer(query);
    let mut hits = first.hits.clone();
    let mut next = first.next;
    while let Some(cursor) = next {
        let cursor = Cursor::decode(&cursor.encode()).unwrap();
        let page = snapshot.answer(&Query {
            after: Some(cursor),
            ..query.clone()
        });
        assert_eq!(page.total, first.total);
        assert!(!page.hits.is_empty(), "a next page that is empty");
        hits.extend(page.hits);
        next = page.next;
    }
    (first, hits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn totals_pages_and_facets_equal_brute_force(
        base in prop::collection::vec(document(), 0..80),
        writes in prop::collection::vec(prop::collection::vec((any::<bool>(), document()), 0..20), 0..4),
        query in query(),
    ) {
        let mut reference: BTreeMap<i64, Document> = base.into_iter().map(|d| (d.id, d)).collect();
        let index = Index::default();
        index.load(reference.values().cloned().collect(), 0);
        for (position, batch) in writes.into_iter().enumerate() {
            let mut changes = Vec::new();
            for (put, document) in batch {
                if put {
                    reference.insert(document.id, document.clone());
                    changes.push(Change::Put(document));
                } else {
                    reference.remove(&document.id);
                    changes.push(Change::Remove(document.id));
                }
            }
            index.apply(changes, i64::try_from(position).unwrap());
        }
        let (total, ids, facets) = brute_force(&reference, &query);
        let (answer, hits) = pages(&index, &query);
        prop_assert_eq!(answer.total, total);
        prop_assert_eq!(hits, ids);
        prop_assert_eq!(answer.facets, facets);
        prop_assert_eq!(index.snapshot().len(), reference.len());
    }
}

/// Past its bound the delta is folded into the base, and nothing changes for a reader.
#[test]
fn a_large_delta_is_folded_in() {
    let document = |id: i64| Document {
        id,
        kind: Kind::Vehicle,
        facets: vec!["x".to_owned(); Facet::ALL.len()],
        numbers: vec![Some(id); Number::ALL.len()],
        terms: vec![],
    };
    let index = Index::default();
    index.load((0..100).map(document).collect(), 1);
    for round in 0..5 {
        let from = 100 + round * 1_000;
        index.apply(
            (from..from + 1_000)
                .map(|id| Change::Put(document(id)))
                .collect(),
            round + 2,
        );
        let answer = index.snapshot().answer(&Query::new(Kind::Vehicle));
        assert_eq!(answer.total, usize::try_from(from).unwrap() + 1_000);
    }
    assert_eq!(index.snapshot().position, 6);
}
