"""The whole reference site as devices in one process: buses over ptys, people, cards, and a control socket."""
