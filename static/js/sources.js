// The source pack: notes, abstracts and papers a draft may take its facts from.

export function start() {}
