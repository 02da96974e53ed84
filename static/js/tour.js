// A minute's tour of the desk on the sample draft.

export function start() {}
