// Two or three versions side by side; single changes accepted or left.

export function start() {}
