//! HTTP and WebSocket: rooms, doors, health, metrics and the embedded page.
