// Where the draft should land for an audience, and how far it is from there.

export function start() {}
