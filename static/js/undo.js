// Undo and redo: one history for typing and for what the model wrote.

export function start() {}
