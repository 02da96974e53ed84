// Export in several forms, and the project file out and in.

export function start() {}
