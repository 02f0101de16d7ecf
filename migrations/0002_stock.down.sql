DROP TABLE change_cursors, changes, contradictions, vin_decodes, price_history, listings,
    source_rejects, source_files, sources, dealers;
