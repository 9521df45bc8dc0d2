//! Namespaces, rooms and the people in them: commands in, events out.
