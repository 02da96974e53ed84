// What helps to find one's way on a full canvas: text beside nodes when there is room, stacks, the minimap.

export function start() {}
