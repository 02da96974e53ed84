// Muse: what happened so far, and one to three cards about it. Only when asked.

export function start() {}
