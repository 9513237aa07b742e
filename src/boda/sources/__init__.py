"""Sources name images and read their bytes: folders, manifests, archives, tables, URLs."""
