package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// A cluster is reached as any pod reaches its own.
type cluster struct {
	address   string
	namespace string
	client    *http.Client
}

func newCluster(namespace string) (*cluster, error) {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate of the API server's authority")
	}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	return &cluster{
		address:   "https://" + host,
		namespace: namespace,
		client: &http.Client{
			Timeout:   5 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
		},
	}, nil
}

// call sends a request; the answer's code and body.
func (c *cluster) call(method, path string, body any) (int, object, error) {
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, c.address+path, sent)
	if err != nil {
		return 0, nil, err
	}
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	var answered object
	if err := json.NewDecoder(response.Body).Decode(&answered); err != nil {
		return response.StatusCode, nil, err
	}
	return response.StatusCode, answered, nil
}

func (c *cluster) path(plural, name string) string {
	path := fmt.Sprintf("/apis/%s/v1/namespaces/%s/%s", group, c.namespace, plural)
	if name != "" {
		path += "/" + name
	}
	return path
}

// makeTier makes the tier that there always is.
func (c *cluster) makeTier() error {
	code, said, err := c.call(http.MethodPost, c.path("tiers", ""), object{
		"apiVersion": group + "/v1", "kind": "Tier",
		"metadata": object{"name": "public"},
		"spec":     object{"priority": 10, "title": "as the librarian says"},
	})
	if err != nil {
		return err
	}
	if code == http.StatusCreated || code == http.StatusConflict || c.has("public") {
		return nil
	}
	return fmt.Errorf("cannot make the tier: %d %s", code, text(said, "message"))
}

func (c *cluster) has(tier string) bool {
	code, _, err := c.call(http.MethodGet, c.path("tiers", tier), nil)
	return err == nil && code == http.StatusOK
}

// validate refuses a new tier of a priority that another has, itself included: its controller comes first.
func (c *cluster) validate(request object) verdict {
	if text(request, "kind", "kind") != "Tier" || text(request, "operation") != "CREATE" {
		return verdict{}
	}
	_, tiers, err := c.call(http.MethodGet, c.path("tiers", ""), nil)
	if err != nil {
		return verdict{refused: err.Error()}
	}
	items, _ := tiers["items"].([]any)
	wanted := at(request, "object", "spec", "priority")
	for _, one := range items {
		if at(one, "spec", "priority") == wanted {
			name := text(one, "metadata", "name")
			return verdict{refused: fmt.Sprintf("priority %v overlaps with existing Tier %s", wanted, name)}
		}
	}
	return verdict{}
}

// reconcile gives each book its place, a card of its own, and its status.
func (c *cluster) reconcile() {
	code, books, err := c.call(http.MethodGet, c.path("books", ""), nil)
	if err != nil || code != http.StatusOK {
		log.Printf("cannot list books: %d %v %s", code, err, text(books, "message"))
		return
	}
	items, _ := books["items"].([]any)
	for _, one := range items {
		book, _ := one.(object)
		if err := c.shelve(book); err != nil {
			log.Print(err)
		}
	}
}

func (c *cluster) shelve(book object) error {
	name := text(book, "metadata", "name")
	if text(book, "spec", "place") == "" {
		place := object{"spec": object{"place": "stacks"}}
		if _, _, err := c.call(http.MethodPatch, c.path("books", name), place); err != nil {
			return err
		}
	}
	card := object{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": object{"name": "card-" + name, "ownerReferences": []object{{
			"apiVersion": group + "/v1", "kind": "Book", "name": name,
			"uid": text(book, "metadata", "uid"), "controller": true,
		}}},
		"data": object{"pages": fmt.Sprint(at(book, "spec", "pages"))},
	}
	maps := fmt.Sprintf("/api/v1/namespaces/%s/configmaps", c.namespace)
	if _, _, err := c.call(http.MethodPost, maps, card); err != nil {
		return err
	}
	generation := at(book, "metadata", "generation")
	if at(book, "status", "observedGeneration") == generation {
		return nil
	}
	_, _, err := c.call(http.MethodPatch, c.path("books", name)+"/status", object{"status": object{
		"observedGeneration": generation,
		"conditions":         []object{{"type": "Ready", "status": "True", "reason": "Shelved"}},
	}})
	return err
}
