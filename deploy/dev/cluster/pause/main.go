// The one program of the image exeat.dev/cluster/pause. As a pod's first container it holds the pod's namespaces until
// it is told to end. As local-path-provisioner's helper (`-p PATH -s SIZE -m MODE -a create|delete`) it makes and
// removes the folder of a volume, so that no image with a shell is needed for that.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	path := flag.String("p", "", "the folder of the volume")
	flag.String("s", "", "its size, which a folder cannot keep")
	flag.String("m", "", "its mode, Filesystem or Block")
	action := flag.String("a", "", "create or delete")
	flag.Parse()
	if err := run(*action, *path); err != nil {
		fmt.Fprintln(os.Stderr, "pause:", err)
		os.Exit(1)
	}
}

func run(action, path string) error {
	switch action {
	case "":
		pause()
		return nil
	case "create":
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		return os.Chmod(path, 0o777) // whatever the umask was, and for a pod of any user
	case "delete":
		return os.RemoveAll(path)
	}
	return fmt.Errorf("unknown action `%s`", action)
}

// Without a handler the first process of a namespace ignores SIGTERM, and each pod would take 30 seconds to go.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for signal := range signals {
		if signal != syscall.SIGCHLD {
			return
		}
		for reaped := 1; reaped > 0; {
			reaped, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}
}
