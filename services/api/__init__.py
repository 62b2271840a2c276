"""The api: the registry's one writer, and the queries on registry, series and lists."""
