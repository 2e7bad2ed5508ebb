from uv_layers.cli import main

if __name__ == "__main__":
    main()
