// The usual life of a sandbox by the Go SDK.
package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/agent-sandbox/clients/go/sandbox"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	// Without an address of the router it forwards a port, which is what it does by itself.
	router, namespace := os.Getenv("ROUTER"), cmp.Or(os.Getenv("NAMESPACE"), "default")
	client, err := sandbox.NewClient(ctx, sandbox.Options{WarmPoolName: "py-pool", APIURL: router, Quiet: true})
	must(err)
	box, err := client.CreateSandbox(ctx, "py-pool", namespace)
	must(err)

	ran, err := box.Run(ctx, "echo hi; echo oops >&2; exit 3")
	must(err)
	check(ran.Stdout == "hi\n" && ran.Stderr == "oops\n" && ran.ExitCode == 3, ran)

	whole := bytes.Repeat([]byte("0123456789abcdef"), 100<<20/16)
	must(box.Write(ctx, "big", whole))
	read, err := box.Read(ctx, "big")
	must(err)
	check(bytes.Equal(read, whole), len(read))
	entries, err := box.List(ctx, ".")
	must(err)
	check(slices.ContainsFunc(entries, func(entry sandbox.FileEntry) bool {
		return entry.Name == "big" && entry.Size == int64(len(whole)) && entry.Type == sandbox.FileTypeFile
	}), entries)
	there, err := box.Exists(ctx, "none")
	must(err)
	check(!there, there)

	all, err := client.ListAllSandboxes(ctx, namespace)
	must(err)
	check(len(all) == 1 && all[0] == box.ClaimName(), all)

	// Left, and found again by its claim.
	must(box.Disconnect(ctx))
	again, err := client.GetSandbox(ctx, box.ClaimName(), namespace)
	must(err)
	ran, err = again.Run(ctx, "wc -c < big")
	must(err)
	check(strings.TrimSpace(ran.Stdout) == fmt.Sprint(len(whole)), ran)

	must(client.DeleteSandbox(ctx, box.ClaimName(), namespace))
	all, err = client.ListAllSandboxes(ctx, namespace)
	must(err)
	check(len(all) == 0, all)

	short, err := sandbox.NewClient(ctx, sandbox.Options{
		WarmPoolName: "nobody", APIURL: router, Quiet: true, SandboxReadyTimeout: 2 * time.Second,
	})
	must(err)
	_, err = short.CreateSandbox(ctx, "nobody", namespace)
	check(err != nil, "a sandbox out of no pool")
	fmt.Println("all done")
}

func must(err error) { check(err == nil, err) }

func check(holds bool, found any) {
	if !holds {
		panic(fmt.Sprint("found ", found))
	}
}
