module exeat.dev/cluster/pause

go 1.24
