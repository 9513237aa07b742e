"""Health: what `boda inspect` joins: images of a workspace, their pixels and features, and what is wrong with them."""
