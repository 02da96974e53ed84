// Two versions of a paragraph become one, with a slider for the mix.

export function start() {}
