"""The edge: decode, guard, answer. The one place where an error becomes an HTTP answer."""
