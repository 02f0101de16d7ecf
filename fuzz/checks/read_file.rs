// What must hold for any bytes that a dealer's file may be. The first byte chooses the mapping.

pub(crate) fn check(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let known = ingest::BUILT_IN;
    let (name, _) = known[usize::from(*first) % known.len()];
    let mapping = ingest::Mapping::built_in(name).expect("built in");
    if let Ok(suggested) = ingest::suggest(bytes.to_vec(), "suggested") {
        ingest::Mapping::parse("suggested", &suggested.yaml).expect("a suggestion is a mapping");
    }
    let mut reader = match ingest::Reader::new(bytes.to_vec(), &mapping) {
        Ok(reader) => reader,
        Err(problem) => {
            assert!(!problem.rule().is_empty() && !problem.to_string().is_empty());
            return;
        }
    };
    let mut numbers = std::collections::HashSet::new();
    let mut next = 1;
    loop {
        let row = match reader.next_row() {
            Ok(Some(row)) => row,
            Ok(None) | Err(_) => return,
        };
        assert_eq!(row.row, next, "rows are counted one by one");
        next += 1;
        let lost = row.rejects.iter().any(|reject| reject.row_lost);
        match &row.draft {
            Some(draft) => {
                assert!(
                    !lost && !row.duplicate,
                    "a row is one of loaded, lost and duplicate"
                );
                let rooftop = row.dealer.as_ref().map(|dealer| dealer.key.clone());
                let number = draft.stock_number.to_ascii_uppercase();
                assert!(numbers.insert((rooftop, number)), "a unit is loaded once");
                let told = serde_json::to_string(draft).expect("a draft is told");
                assert!(!told.contains("\\u0000"), "PostgreSQL has no NUL in text");
            }
            None => assert!(lost || row.duplicate, "a row that is not loaded says why"),
        }
        for reject in &row.rejects {
            assert!(!reject.rule.is_empty() && !reject.value.contains('\0'));
        }
    }
}
