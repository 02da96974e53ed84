// The writer's own prompts: kept, named, used again, pinned as labels.

export function start() {}
